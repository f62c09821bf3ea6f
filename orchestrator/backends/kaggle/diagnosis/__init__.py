"""Checks of `doctor` that act on the real Kaggle: a saved script, and a short CPU session."""
