"""Turns short, unreliable GPU sessions into one long, exactly continued training run."""

__version__ = "0.1.0"
