"""Writes a new project: card, script, campaign, workflow and README, from templates."""
