"""The task of all measurements: our settings, and the same values as plain numbers for the peers.

One signalised crossing: four approaches and four exits of one lane, through traffic only, two phases; an hour of
Poisson arrivals, a decision every ten seconds. The speed of our environment is measured on its own random demand
(drawing it is part of the work); everything else on the constant rates below.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from validation_ch7.traffic.env.settings import EnvironmentSettings
from validation_ch7.traffic.model.demand import ARRIVAL_BIN_S, Scenario, ScenarioAddress, Split
from validation_ch7.traffic.numba_kernel.constants import N_APPROACHES, N_LINKS

ENVIRONMENT: dict[str, float] = {
    "decision_s": 10.0,
    "min_green_s": 6.0,
    "yellow_s": 3.0,
    "all_red_s": 1.0,
    "yellow_used_s": 2.0,
    "start_up_lost_s": 2.0,
    "max_green_s": 120.0,
    "episode_s": 3600.0,
    "dx_m": 10.0,
    "dt_s": 0.5,
}
"""Settings of the bench, independent of the section's card."""

NS_VEH_H, EW_VEH_H = 500.0, 300.0
SWITCH_EVERY_DECISIONS = 3
"""Alternating greens: the phase changes every 30 s; 26 s of it are green after the change interval."""

SETTINGS = EnvironmentSettings.from_mapping(ENVIRONMENT)
CELLS_PER_DECISION = N_LINKS * SETTINGS.traffic.n_cells * SETTINGS.steps("decision_s")


def for_peers(**more: Any) -> dict[str, Any]:
    """The task as a peer's program receives it: plain numbers with units in the names.

    Args:
        more: Further keys of this measurement.
    """
    traffic = SETTINGS.traffic
    return {
        "link_m": traffic.link_length_m,
        "speed_m_s": traffic.vf_m_s,
        "jam_veh_m": traffic.rho_jam_veh_m,
        "ns_veh_h": NS_VEH_H,
        "ew_veh_h": EW_VEH_H,
        "decision_s": SETTINGS.decision_s,
        "change_s": SETTINGS.lost_s,
        "min_green_s": SETTINGS.min_green_s,
        "max_green_s": SETTINGS.max_green_s,
        "hour_s": SETTINGS.episode_s,
        "switch_every": SWITCH_EVERY_DECISIONS,
        **more,
    }


def phase_of(decision: int) -> int:
    """Phase (0 or 1) of alternating greens at a decision."""
    return decision // SWITCH_EVERY_DECISIONS % 2


def constant_demand(index: int) -> Scenario:
    """An hour of Poisson arrivals at the task's rates; vehicles drive at free speed where there is room."""
    bins = round(SETTINGS.episode_s / ARRIVAL_BIN_S)
    rates_veh_h = np.repeat([NS_VEH_H, EW_VEH_H], N_APPROACHES // 2)[:, None]
    generator = np.random.default_rng([76, index])
    arrivals = generator.poisson(rates_veh_h * ARRIVAL_BIN_S / 3600.0, (N_APPROACHES, bins)).astype(np.float64)
    return Scenario(
        address=ScenarioAddress(split=Split.TUNING, index=index),
        arrivals_veh=arrivals,
        w_in_m_s=np.full((N_APPROACHES, bins), SETTINGS.traffic.vf_m_s),
    )
