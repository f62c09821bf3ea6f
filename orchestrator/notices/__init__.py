"""Notifications about a campaign."""
