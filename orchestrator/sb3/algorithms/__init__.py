"""Algorithms, their hyper-parameters and normalization."""
