"""Turns short, unreliable GPU sessions into one long, exactly continued training run."""

__version__ = "0.2.0"
