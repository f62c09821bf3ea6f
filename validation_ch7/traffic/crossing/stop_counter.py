"""Counts the stops of a batch of crossings, without any effect on the traffic."""

from __future__ import annotations

import numpy as np

from validation_ch7.traffic.model.arz import Floats
from validation_ch7.traffic.model.batching import Blocks
from validation_ch7.traffic.numba_kernel.constants import N_APPROACHES


class StopCounter:
    """Stops on the approaches and before their entries.

    Used by evaluations only. It is not part of a training's state.

    Args:
        blocks: Memory layout of the batch.
        counting: Whether stops are counted.
    """

    def __init__(self, blocks: Blocks, *, counting: bool) -> None:
        self._blocks = blocks
        self._counting = counting
        self._stops = blocks.zeros(N_APPROACHES)

    @property
    def stops_veh(self) -> Floats:
        """Stops so far by approach, shape (4 * batch,); a vehicle that brakes to half its speed counts as half a stop.

        Raises:
            RuntimeError: Stops are not counted.
        """
        if not self._counting:
            raise RuntimeError("stops were not counted: create the simulation with counts_stops=True")
        return self._blocks.gather(self._stops)

    def of_kernel(self, n_cells: int) -> tuple[Floats, Floats, Floats, bool]:
        """Arguments in the order of `advance_blocks`; the first two are work arrays for one block and one call."""
        shape = (n_cells if self._counting else 0, self._stops.shape[1])
        return np.empty(shape), np.empty(shape), self._stops, self._counting
