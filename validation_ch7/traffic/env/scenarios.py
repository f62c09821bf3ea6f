"""How an evaluation draws its scenarios."""

from __future__ import annotations

from collections.abc import Callable

from validation_ch7.traffic.env.settings import EnvironmentSettings
from validation_ch7.traffic.model.demand import Scenario, ScenarioAddress, draw_scenario

Draw = Callable[[ScenarioAddress, EnvironmentSettings], Scenario]
"""Draws the scenario at an address."""


def nominal_scenario(address: ScenarioAddress, settings: EnvironmentSettings) -> Scenario:
    """The scenario with the demand of training and test."""
    return draw_scenario(address, episode_s=settings.episode_s, vf_m_s=settings.traffic.vf_m_s)
