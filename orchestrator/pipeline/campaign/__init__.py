"""Campaigns: collect what has ended, start what fits, report what changed."""
