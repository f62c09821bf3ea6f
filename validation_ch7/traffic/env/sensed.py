"""A simulation as controllers see it through faulty detectors."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np

from validation_ch7.traffic.crossing.sensing import Flags, SensedTraffic
from validation_ch7.traffic.env.simulation import CrossingSimulation
from validation_ch7.traffic.model.arz import Floats
from validation_ch7.traffic.model.demand import ARRIVAL_BIN_S
from validation_ch7.traffic.numba_kernel.constants import N_APPROACHES


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DetectorFaults:
    """Faults of the detectors of some crossings in each second of an episode; lane `link * batch + scenario`.

    Attributes:
        factor: Shown vehicles per true vehicle, shape (8 * batch, seconds), not negative.
        stuck: Whether the detector repeats its last reading, same shape.
    """

    factor: Floats
    stuck: Flags


class SensedSimulation:
    """Reads the detectors of a simulation, each as its faults let it.

    Args:
        simulation: The true simulation, at its start.
        faults: Of its crossings.

    Attributes:
        shown: What controllers read: the true signals and clock, and the traffic as the detectors show it. It must not
            be advanced.
    """

    def __init__(self, simulation: CrossingSimulation, faults: DetectorFaults) -> None:
        self._true = simulation
        self._traffic = SensedTraffic(simulation.traffic)
        blocks = simulation.traffic.blocks
        self._factor = np.ascontiguousarray(blocks.scatter(faults.factor).transpose(1, 0, 2))
        self._stuck = np.ascontiguousarray(blocks.scatter(faults.stuck.astype(np.float64)).transpose(1, 0, 2)) > 0.0
        self.shown = copy.copy(simulation)
        self.shown.traffic = self._traffic
        self.shown._arrivals = simulation._arrivals * self._arrivals_shown(len(simulation._arrivals))

    def look(self) -> CrossingSimulation:
        """Read all detectors now; `shown` with the new readings."""
        second = self._second()
        self._traffic.look(self._factor[second], self._stuck[second])
        self.shown.steps_done = self._true.steps_done
        return self.shown

    def _second(self) -> int:
        elapsed_s = self._true.steps_done * self._true.settings.traffic.dt_s
        return min(int(elapsed_s), len(self._factor) - 1)

    def _arrivals_shown(self, bins: int) -> Floats:
        """Share of the arrivals of each bin that entry detectors count, shape (bins, blocks, 4 * L)."""
        entries = N_APPROACHES * self._true.traffic.blocks.width
        counted = np.where(self._stuck, 0.0, self._factor)[:, :, :entries]
        seconds = round(ARRIVAL_BIN_S)
        padded = np.concatenate([counted, np.repeat(counted[-1:], bins * seconds - len(counted), axis=0)])
        shown: Floats = padded.reshape(bins, seconds, *counted.shape[1:]).mean(axis=1)
        return shown
