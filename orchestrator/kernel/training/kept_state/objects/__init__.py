"""Ordinary Python objects: their attributes, the code they refer to, and what is not state."""
