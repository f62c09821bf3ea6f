"""Measures how long a controller asks for one phase while vehicles wait for the other."""

from __future__ import annotations

import numpy as np

from validation_ch7.section_7_6_rl_performance.controllers.interface import Phases
from validation_ch7.traffic.env.detectors import by_axis, standing_veh
from validation_ch7.traffic.env.simulation import CrossingSimulation
from validation_ch7.traffic.model.arz import Floats
from validation_ch7.traffic.signal.two_phase import N_PHASES

_WAITING_VEH = 1.0


class Neglect:
    """The time for which each scenario's controller has asked for the same phase while the other axis waited.

    A stretch goes on through a green that the maximum green forced: the controller did not ask for it. It ends when
    the controller asks for the other phase, or when less than one vehicle stands there.

    Args:
        batch: Number of scenarios.
        interval_s: Time between two looks in s.
    """

    def __init__(self, batch: int, interval_s: float) -> None:
        self._interval_s = interval_s
        # One row for each phase that a controller may ask for, shape (2, batch).
        self._looks = np.zeros((N_PHASES, batch), dtype=np.int64)
        self._most = np.zeros(batch, dtype=np.int64)

    def look(self, simulation: CrossingSimulation) -> None:
        """Count the vehicles that stand now; the requests until the next look follow."""
        north_south, east_west = by_axis(standing_veh(simulation))
        waiting = np.stack((east_west, north_south)) >= _WAITING_VEH  # by the phase that lets them wait
        self._looks = np.where(waiting, self._looks + 1, 0)

    def requested(self, phases: Phases) -> None:
        """End the stretches of the phase that was not asked for, shape of `phases` (batch,)."""
        for phase in range(N_PHASES):
            self._looks[phase, phases != phase] = 0
        np.maximum(self._most, self._looks.max(axis=0), out=self._most)

    def longest_s(self) -> Floats:
        """Longest stretch so far, shape (batch,), s."""
        return self._most * self._interval_s
