"""Ticks of a campaign: collect, start, report."""
