"""Checkpoint cards: save, survey, resume grade."""
