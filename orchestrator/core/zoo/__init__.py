"""Hyper-parameter files of RL Zoo: what an entry means, read without running any of its text."""
