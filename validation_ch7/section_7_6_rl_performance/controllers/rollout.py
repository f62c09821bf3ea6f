"""Rollout over actuated control: simulate some plans ahead with the model itself and follow the best one.

Source: D. Bertsekas, Rollout, Policy Iteration, and Distributed Reinforcement Learning, Athena Scientific, 2020: one
step of policy improvement over a base policy, by simulation, repeated at every decision. It uses more than a policy
has: the model, and its full present state. It does not know the arrivals that are still to come.
"""

from __future__ import annotations

import math
import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from validation_ch7.section_7_6_rl_performance.controllers.actuated import ActuatedController
from validation_ch7.section_7_6_rl_performance.controllers.interface import Phases, WithoutMemory, switched_where
from validation_ch7.section_7_6_rl_performance.controllers.look_ahead import LookAhead, predicted_delays_veh_s
from validation_ch7.traffic.env.detectors import by_axis, upstream_veh
from validation_ch7.traffic.env.settings import EnvironmentSettings
from validation_ch7.traffic.env.simulation import CrossingSimulation
from validation_ch7.traffic.signal.two_phase import NORTH_SOUTH

# With less than this before the stop lines of the red axis, in vehicles, there is no reason for a change.
_WAITING_VEH = 0.5


class RolloutController(WithoutMemory):
    """Looks ahead every few seconds, and switches if the best plan switches now; the green stays between two looks.

    Args:
        settings: The crossing.
        look: The candidates and the prediction.
        look_every_s: Time between two looks in s.

    Raises:
        ValueError: `look_every_s` is not a positive multiple of the time step.
    """

    def __init__(self, settings: EnvironmentSettings, look: LookAhead, *, look_every_s: float = 2.0) -> None:
        self.name = "rollout"
        self.look = look
        self._look_steps = settings.steps_in(look_every_s)
        # The decision interval of the card need not be a multiple of the time between two looks.
        self.resolution_s = math.gcd(self._look_steps, settings.steps("decision_s")) * settings.traffic.dt_s
        self._pool = ThreadPoolExecutor(max_workers=os.cpu_count())  # its threads start when they are first needed
        self._base = ActuatedController(gap_s=look.gap_s, max_green_s=look.max_green_s)

    def decide(self, simulation: CrossingSimulation) -> Phases:
        """Switch where the plan with the least delay switches now; of equal plans actuated control is followed."""
        if simulation.steps_done % self._look_steps:
            return simulation.signal.phase.copy()
        signal = simulation.signal
        ns_veh, ew_veh = by_axis(upstream_veh(simulation))
        on_red = np.where(signal.phase == NORTH_SOUTH, ew_veh, ns_veh)
        open_choice = (signal.green_steps >= signal.times.min_green_steps) & (on_red > _WAITING_VEH)
        delays_veh_s = predicted_delays_veh_s(simulation, self.look, open_choice, pool=self._pool)
        delays_veh_s[~open_choice] = 0.0
        base_wants = self._base.decide(simulation) != signal.phase
        base_is_best = delays_veh_s[:, -1] <= delays_veh_s[:, :-1].min(axis=1)
        now_is_best = np.argmin(delays_veh_s[:, :-1], axis=1) == int(np.argmin(self.look.delays_s))
        wants = np.where(base_is_best, base_wants, now_is_best & (min(self.look.delays_s) == 0.0))
        return switched_where(simulation, open_choice & wants)
