"""What faulty detectors show of a batch of crossings: traffic that controllers read instead of the true one."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from validation_ch7.traffic.crossing.intersection import Intersection
from validation_ch7.traffic.model.arz import Floats
from validation_ch7.traffic.numba_kernel.constants import N_APPROACHES

Flags = npt.NDArray[np.bool_]

MEASURING = ("count_vehicles",)
"""Methods of `Intersection` that measure densities and speeds. All others that read `rho` and `w` simulate ahead."""


class SensedTraffic(Intersection):
    """Traffic as the detectors of its lanes show it: the vehicles of each lane times a factor, at their true speed.

    One detector covers a whole lane with its entry, so a factor applies to all counts of that lane: standing, near,
    far, entry queue, arrivals. A detector with the factor 0 shows an empty lane. One that is stuck shows what it showed
    when it was last read; at the start that is an empty lane. Times and delays so far are no readings of a detector:
    they stay true.

    A controller that simulates ahead from `rho` and `w` needs a state that the model can have. There the shown density
    is at most the jam density and `w` at most the free speed, so that vehicles that are counted too often drive slower.

    Args:
        traffic: The true traffic.
    """

    def __init__(self, traffic: Intersection) -> None:
        super().__init__(traffic.parameters, traffic.batch, widest_block=traffic.blocks.width)
        self._true = traffic
        self._arrived = np.array(traffic._fields["arrived_veh"])
        self._readings = {name: np.array(self._fields[name]) for name in ("rho", "w")}
        for name in MEASURING:
            setattr(self, name, partial(self._measured, getattr(Intersection, name)))

    def look(self, factor: Floats, stuck: Flags) -> None:
        """Read all detectors now.

        Args:
            factor: Of each lane, shape (blocks, 8 * L), not negative.
            stuck: Whether its detector is stuck, same shape.
        """
        true, entries = self._true._fields, N_APPROACHES * self.blocks.width
        slope, works = self.parameters.pressure_slope, ~stuck
        rho = true["rho"] * factor[:, None, :]
        readings = {"rho": rho, "w": true["w"] + slope * (rho - true["rho"])}  # the speed w - slope * rho stays
        arrived = true["arrived_veh"]
        new = {
            "inside": true["inside"] * factor,
            "queue_veh": true["queue_veh"] * factor[:, :entries],
            "arrived_veh": self._fields["arrived_veh"] + (arrived - self._arrived) * factor[:, :entries],
        }
        self._arrived = np.array(arrived)
        for name, values in readings.items():
            np.copyto(self._readings[name], values, where=works[:, None, :])
        for name, values in new.items():
            np.copyto(self._fields[name], values, where=works[:, : values.shape[1]])
        self._fields["rho"] = np.minimum(self._readings["rho"], self.parameters.rho_jam_veh_m)
        speed = self._readings["w"] - slope * self._readings["rho"]
        self._fields["w"] = np.minimum(speed + slope * self._fields["rho"], self.parameters.vf_m_s)
        for name in self._fields.keys() - new.keys() - readings.keys():
            self._fields[name] = np.array(true[name])

    def _measured(self, measure: Callable[..., Floats], *arguments: Any, **named: Any) -> Floats:
        """The result of a measuring method of `Intersection` for what the detectors show."""
        possible = self._fields
        self._fields = {**possible, **self._readings}
        try:
            return measure(self, *arguments, **named)
        finally:
            self._fields = possible
