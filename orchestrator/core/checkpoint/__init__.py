"""Checkpoints as values: what is in place, what a resume may use, how they reach a session."""
