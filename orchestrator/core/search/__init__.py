"""Proposals of a hyper-parameter search and their results."""
