"""A campaign as values: its file, its trials, their status."""
