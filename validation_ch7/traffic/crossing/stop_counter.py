"""The count of stops of a batch of crossings: kept beside the traffic, which it never changes."""

from __future__ import annotations

import numpy as np

from validation_ch7.traffic.model.arz import Floats
from validation_ch7.traffic.model.batching import Blocks
from validation_ch7.traffic.numba_kernel.constants import N_APPROACHES


class StopCounter:
    """Stops on the approaches, those before the entries included.

    Only who measures needs one. It is no part of a training's state, and traffic is bit for bit the same without.

    Args:
        blocks: How the batch lies in memory.
        counting: Whether anything is counted.
    """

    def __init__(self, blocks: Blocks, *, counting: bool) -> None:
        self._blocks = blocks
        self._counting = counting
        self._stops = blocks.zeros(N_APPROACHES)

    @property
    def stops_veh(self) -> Floats:
        """Stops so far by approach, shape (4 * batch,), vehicles; who stops twice counts twice, who brakes half, half.

        Raises:
            RuntimeError: It does not count.
        """
        if not self._counting:
            raise RuntimeError("stops were not counted here")
        return self._blocks.gather(self._stops)

    def of_kernel(self, n_cells: int) -> tuple[Floats, Floats, Floats, bool]:
        """In the order in which `advance_blocks` takes them; the first two are room for one block and one call."""
        shape = (n_cells if self._counting else 0, self._stops.shape[1])
        return np.empty(shape), np.empty(shape), self._stops, self._counting
