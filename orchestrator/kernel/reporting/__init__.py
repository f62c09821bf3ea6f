"""Formats of evaluations and of finished trials, shared by writer and reader."""
