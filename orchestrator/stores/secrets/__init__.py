"""Finds secrets: those in use on this computer, and others by rules for their form."""
