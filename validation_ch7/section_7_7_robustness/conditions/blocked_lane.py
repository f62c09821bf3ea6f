"""A blocked lane: less capacity at the stop line of one approach for a third of the hour; no controller is informed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from validation_ch7.section_7_7_robustness.conditions.family import Family, random_numbers
from validation_ch7.traffic.env.scenarios import Draw, nominal_scenario
from validation_ch7.traffic.env.settings import EnvironmentSettings
from validation_ch7.traffic.model.demand import Scenario, ScenarioAddress
from validation_ch7.traffic.numba_kernel.constants import N_APPROACHES

NAME = "lane_blocked"
DURATION = 1.0 / 3.0
"""Share of the episode."""


def blocked(severity: float) -> Draw:
    """The nominal demand; one stop line loses this share of its capacity `vf rho_jam / 4`.

    Which one, and when it begins, is drawn from the address.
    """

    def draw(address: ScenarioAddress, settings: EnvironmentSettings) -> Scenario:
        scenario = nominal_scenario(address, settings)
        generator = random_numbers(address, NAME)
        approach, start = int(generator.integers(N_APPROACHES)), float(generator.uniform())
        bins = scenario.arrivals_veh.shape[1]
        length = round(DURATION * bins)
        first = round(start * (bins - length))
        limit_veh_s = np.full_like(scenario.arrivals_veh, np.inf)
        limit_veh_s[approach, first : first + length] = (1.0 - severity) * settings.traffic.capacity_veh_s
        return replace(scenario, stop_line_limit_veh_s=limit_veh_s)

    return draw


FAMILIES = (
    Family(
        name=NAME, title="A lane blocked for 20 minutes", severity="lost capacity of one approach (share)", draw=blocked
    ),
)
