"""Frozen values and pure decisions; nothing here reads a clock, a disk or a network."""
