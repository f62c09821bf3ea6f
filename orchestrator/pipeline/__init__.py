"""Carries a run to its target. Talks to ports only."""
