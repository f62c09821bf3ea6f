"""A user's own training script: settings, kept state, the loop over steps, and saves. Standard library only."""
