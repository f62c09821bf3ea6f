"""Formats of evaluations and finished trials, shared by writer and reader."""
