"""Findings of `doctor` and of a resume proof."""
