"""Campaigns for the simulation, made from the real file format and the real card."""

from __future__ import annotations

from orchestrator.core.campaign.config import Campaign
from orchestrator.core.campaign.expansion import Trial, expand
from orchestrator.stores.campaign.campaign_yaml import card_reader, parse_campaign
from tests.conftest import PROJECT_ROOT

SMALL = """
campaign: small
concurrency: 2
retries: {stuck: 9}
assume: {steps_per_s: 10.0}
trials:
  main:
    section: section_7_6
    seeds: 2
    settings: {profiles.full.target_steps: 700000, profiles.full.deadline_s: 32400.0}
    matrix: {algorithm: [DQN, PPO]}
  later:
    section: section_7_6
    profile: quick
    settings: {environment.decision_s: 5.0, profiles.quick.deadline_s: 32400.0}
    after: [main]
"""
"""Four trainings of three sessions each at 10 steps/s, then one short training."""


CARDS = card_reader(PROJECT_ROOT / "configs" / "sections")


def expanded(text: str) -> tuple[Campaign, tuple[Trial, ...]]:
    """A campaign and its trials."""
    campaign = parse_campaign(text, "small.yaml")
    return campaign, expand(campaign, CARDS)
