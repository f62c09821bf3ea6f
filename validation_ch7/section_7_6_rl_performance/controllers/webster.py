"""Webster's plan: cycle and split from his formula, for the actual demand, which is known in advance here.

Source: F. V. Webster, Traffic Signal Settings, Road Research Technical Paper 39, HMSO, London 1958: optimum cycle
`C = (1.5 L + 5) / (1 - Y)` with the lost time `L` per cycle in s and `Y` the sum over the phases of the critical flow
ratios `y = q / s`; the effective green is shared in proportion to `y`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from validation_ch7.section_7_6_rl_performance.controllers.interface import (
    CLASSICAL_RESOLUTION_S,
    Phases,
    Setting,
    green_s,
    switched_where,
)
from validation_ch7.traffic.env.settings import EnvironmentSettings
from validation_ch7.traffic.env.simulation import CrossingSimulation
from validation_ch7.traffic.model.arz import Floats
from validation_ch7.traffic.model.demand import ScenarioAddress, draw_scenarios
from validation_ch7.traffic.signal.two_phase import N_PHASES, NORTH_SOUTH

_LONGEST_CYCLE_S = 180.0


class WebsterController:
    """One plan for each scenario, from the vehicles that will actually arrive: more than is known in practice.

    Args:
        settings: The crossing.
        saturation_share: Saturation flow of the formula, as a share of the model's capacity `vf rho_jam / 4`; drivers
            with larger gaps, and the start of a discharge, do not reach the full capacity.

    Raises:
        ValueError: The share is not within (0, 1].
    """

    resolution_s = CLASSICAL_RESOLUTION_S

    def __init__(self, settings: EnvironmentSettings, *, saturation_share: Setting) -> None:
        if not 0.0 < np.min(saturation_share) <= np.max(saturation_share) <= 1.0:
            raise ValueError(f"saturation_share must be within (0, 1], not {saturation_share}")
        self.name = "webster"
        self._settings = settings
        self._saturation_veh_s = saturation_share * settings.traffic.capacity_veh_s
        self._planned_s: Floats = np.zeros((N_PHASES, 0))

    def begin(self, addresses: Sequence[ScenarioAddress]) -> None:
        """Compute the plan of each scenario."""
        settings = self._settings
        scenarios = draw_scenarios(addresses, episode_s=settings.episode_s, vf_m_s=settings.traffic.vf_m_s)
        flow_veh_s = np.stack([scenario.arrivals_veh.sum(axis=1) for scenario in scenarios], axis=1)
        self._planned_s = self.plan_s(flow_veh_s / settings.episode_s)

    def plan_s(self, flow_veh_s: Floats) -> Floats:
        """Displayed greens by phase, shape (2, n), whole s, for the approaches' mean flows, shape (4, n), veh/s.

        The formula gives effective greens. The displayed green is longer by the start-up lost time and shorter by the
        used part of the yellow.
        """
        settings = self._settings
        lost_s = N_PHASES * settings.lost_s
        ratio = flow_veh_s.reshape(N_PHASES, -1, flow_veh_s.shape[1]).max(axis=1) / self._saturation_veh_s
        # A phase without demand keeps a small share, since the formula divides by the sum.
        ratio = np.maximum(ratio, 1e-3)
        total = ratio.sum(axis=0)
        # The formula is undefined beyond saturation and diverges close to it, so the cycle is limited.
        free = np.maximum(1.0 - total, (1.5 * lost_s + 5.0) / _LONGEST_CYCLE_S)
        cycle_s = (1.5 * lost_s + 5.0) / free
        effective_s = (cycle_s - lost_s) * ratio / total
        displayed_s = effective_s + settings.start_up_lost_s - settings.yellow_used_s
        greens_s: Floats = np.clip(np.round(displayed_s), settings.min_green_s, settings.max_green_s)
        return greens_s

    def decide(self, simulation: CrossingSimulation) -> Phases:
        """Switch when the current phase has had the green of its scenario's plan."""
        ns_s, ew_s = self._planned_s
        planned_s = np.where(simulation.signal.phase == NORTH_SOUTH, ns_s, ew_s)
        return switched_where(simulation, green_s(simulation) >= planned_s)
