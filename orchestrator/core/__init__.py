"""Frozen values and pure decisions: no clock, no disk, no network."""
