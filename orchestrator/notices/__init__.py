"""Telling the outside what became of a campaign."""
