"""Measures how long waiting vehicles are served only because the maximum green forces it."""

from __future__ import annotations

import numpy as np

from validation_ch7.traffic.env.detectors import by_axis, standing_veh
from validation_ch7.traffic.env.simulation import CrossingSimulation
from validation_ch7.traffic.model.arz import Floats
from validation_ch7.traffic.signal.two_phase import N_PHASES

_WAITING_VEH = 1.0


class Neglect:
    """The longest time in which vehicles stand on an axis that the controller does not give green, by scenario.

    A stretch goes on through a green that the maximum green forced, since the controller did not give it. So it finds a
    controller that always asks for one phase, one that keeps every green, and one that asks for the other phase only
    while the forced green is too young to be ended. A stretch ends when the controller changes to the axis itself, or
    when less than one vehicle stands there.

    Args:
        batch: Number of scenarios.
        interval_s: Time between two looks in s.
    """

    def __init__(self, batch: int, interval_s: float) -> None:
        self._interval_s = interval_s
        self._looks = np.zeros((N_PHASES, batch), dtype=np.int64)  # by the phase that waits
        self._most = np.zeros(batch, dtype=np.int64)
        self._own_changes = np.zeros(batch, dtype=np.int64)

    def look(self, simulation: CrossingSimulation) -> None:
        """Count the vehicles that stand now, and the changes since the last look."""
        signal = simulation.signal
        own_changes = signal.n_switches - signal.n_forced_switches
        changed = own_changes - self._own_changes
        self._own_changes = own_changes
        for phase, standing in enumerate(by_axis(standing_veh(simulation))):
            # Of two changes between two looks, one was to the other phase.
            given = (changed > 1) | ((changed == 1) & (signal.phase == phase))
            goes_on = ~given & (standing >= _WAITING_VEH)
            self._looks[phase] = np.where(goes_on, self._looks[phase] + 1, 0)
        np.maximum(self._most, self._looks.max(axis=0), out=self._most)

    def longest_s(self) -> Floats:
        """Longest stretch so far, shape (batch,), s."""
        longest_s: Floats = self._most.astype(np.float64) * self._interval_s
        return longest_s
