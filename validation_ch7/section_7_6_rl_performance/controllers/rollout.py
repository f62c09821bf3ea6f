"""Rollout over actuated control: simulate some plans ahead with the model itself and follow the best one.

Source: D. Bertsekas, Rollout, Policy Iteration, and Distributed Reinforcement Learning, Athena Scientific, 2020: one
step of policy improvement over a base policy, by simulation, repeated at every decision. It uses more than a policy
has: the model, and its full present state. It does not know the arrivals that are still to come.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np

from orchestrator.kernel.pack.capacity import usable_cores
from validation_ch7.section_7_6_rl_performance.controllers.actuated import ActuatedController
from validation_ch7.section_7_6_rl_performance.controllers.interface import Phases, WithoutMemory, switched_where
from validation_ch7.section_7_6_rl_performance.controllers.look_ahead import LookAhead, predicted_delays_veh_s
from validation_ch7.traffic.crossing.sensing import Flags
from validation_ch7.traffic.env.detectors import by_axis, upstream_veh
from validation_ch7.traffic.env.settings import EnvironmentSettings
from validation_ch7.traffic.env.simulation import CrossingSimulation
from validation_ch7.traffic.model.arz import Floats
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
        ValueError: `look_every_s` is not a positive multiple of the time step, or the first candidate does not switch
            now.
    """

    def __init__(self, settings: EnvironmentSettings, look: LookAhead, *, look_every_s: float = 2.0) -> None:
        if look.delays_s[0] != 0.0:
            raise ValueError(f"rollout needs a switch now as its first candidate, not {look.delays_s}")
        self.name = "rollout"
        self.look = look
        self._look_steps = settings.steps_in(look_every_s)
        # The decision interval of the card need not be a multiple of the time between two looks.
        self.resolution_s = math.gcd(self._look_steps, settings.steps("decision_s")) * settings.traffic.dt_s
        self._pool = ThreadPoolExecutor(max_workers=usable_cores())  # its threads start when they are first needed
        self._base = ActuatedController(gap_s=look.gap_s, max_green_s=look.max_green_s)

    def decide(self, simulation: CrossingSimulation) -> Phases:
        """Switch where the plan with the least delay switches now; of equal plans actuated control is followed."""
        if simulation.steps_done % self._look_steps:
            return simulation.signal.phase.copy()
        signal = simulation.signal
        ns_veh, ew_veh = by_axis(upstream_veh(simulation))
        on_red = np.where(signal.phase == NORTH_SOUTH, ew_veh, ns_veh)
        open_choice = (signal.green_steps >= signal.times.min_green_steps) & (on_red > _WAITING_VEH)
        base_wants = self._base.decide(simulation) != signal.phase
        return switched_where(simulation, self._best_now(simulation, open_choice, base_wants))

    def _best_now(self, simulation: CrossingSimulation, possible: Flags, base_wants: Flags) -> Flags:
        """Where a switch now is the best plan. Actuated control that switches now is the same plan, up to rounding.

        The next later switch is compared first. At most looks it is better, and no other plan is predicted.
        """
        columns = np.arange(self.look.n_candidates)
        predict = partial(predicted_delays_veh_s, simulation, self.look, pool=self._pool)
        delays_veh_s = predict(np.outer(possible, columns < 2))
        possible = possible & ~_beaten(delays_veh_s, base_wants)
        others = np.outer(possible, columns >= 2)
        others[base_wants, -1] = False
        other_veh_s = predict(others)
        other_veh_s[:, 0] = delays_veh_s[:, 0]
        return possible & ~_beaten(other_veh_s, base_wants)


def _beaten(delays_veh_s: Floats, base_wants: Flags) -> Flags:
    """Where a later switch is better than one now, or actuated control, which does not switch now, is as good."""
    now_veh_s = delays_veh_s[:, :1]  # comparisons with what is not predicted are false
    better = (delays_veh_s[:, 1:-1] < now_veh_s).any(axis=1)
    beaten: Flags = better | (~base_wants & (delays_veh_s[:, -1:] <= now_veh_s)[:, 0])
    return beaten
