"""Limits of the flow through the stop lines of a batch of crossings."""

from __future__ import annotations

import numpy as np

from validation_ch7.traffic.model.arz import Floats

_NONE: Floats = np.empty((0, 0, 0))


class StopLineLimits:
    """Largest flows through the stop lines, by bin of time; without limits they cost nothing.

    They belong to the scenario, like the demand, and not to the state of the traffic.
    """

    def __init__(self) -> None:
        self._by_bin = _NONE

    def set(self, limit_veh_s: Floats) -> None:
        """Limit the flows from now on.

        Args:
            limit_veh_s: By bin, shape (bins, blocks, 4 * L), veh/s; infinite where there is no limit.
        """
        self._by_bin = limit_veh_s

    def of_kernel(self) -> tuple[Floats, bool]:
        """Arguments in the order of `advance_blocks`."""
        return self._by_bin, self._by_bin.size > 0
