"""Checkpoints as values: what is in place, what a resume may do, how they travel."""
