"""How a batch of crossings lies in memory: blocks that fit the cache, so wide that instructions take several lanes."""

from __future__ import annotations

import numpy as np

from validation_ch7.traffic.model.arz import Floats

# 32 crossings of 8 links x 30 cells are 123 kB of float64: well within the second-level cache of usual processors,
# and wide enough that the loops over lanes are worth starting. Measured beside 16 and 64.
WIDEST = 32


class Blocks:
    """The layout of a batch: `number` blocks of `width` crossings, the last one perhaps with idle places.

    Args:
        batch: Crossings.
        widest: Most crossings in one block.

    Attributes:
        number: How many blocks.
        width: Crossings of each, called `L` elsewhere.

    Raises:
        ValueError: There is no crossing, or no room for one.
    """

    def __init__(self, batch: int, widest: int = WIDEST) -> None:
        if batch < 1 or widest < 1:
            raise ValueError(f"batch is {batch} and the widest block {widest}; both must be at least 1")
        self.batch = batch
        self.number = -(-batch // widest)
        self.width = -(-batch // self.number)

    def zeros(self, links: int, cells: int | None = None) -> Floats:
        """Blocked room for so many links, shape (blocks, links * L), or (blocks, cells, links * L)."""
        lanes = links * self.width
        return np.zeros((self.number, lanes) if cells is None else (self.number, cells, lanes))

    def scatter(self, by_lane: Floats) -> Floats:
        """Lay out values by lane, shape (links * batch,) or (links * batch, cells), in blocks; a copy."""
        cells = by_lane.shape[1] if by_lane.ndim == 2 else 1
        links = by_lane.shape[0] // self.batch
        room = np.zeros((links, self.number * self.width, cells))
        room[:, : self.batch] = by_lane.reshape(links, self.batch, cells)
        blocked = room.reshape(links, self.number, self.width, cells).transpose(1, 3, 0, 2)
        shape = (self.number, cells, links * self.width)
        return np.ascontiguousarray(blocked).reshape(shape if by_lane.ndim == 2 else (self.number, shape[2]))

    def gather(self, blocked: Floats) -> Floats:
        """The reverse of `scatter`: values by lane, cells last; a copy."""
        if self.number == 1:  # the usual case, at every decision
            return np.array(blocked[0].T, order="F")
        cells = blocked.shape[1] if blocked.ndim == 3 else 1
        links = blocked.shape[-1] // self.width
        apart = blocked.reshape(self.number, cells, links, self.width).transpose(2, 0, 3, 1)
        together = apart.reshape(links, self.number * self.width, cells)[:, : self.batch]
        # Order F whatever the blocks: sums over cells then add whole columns, in the same order in every layout.
        by_lane = np.array(together.reshape(links * self.batch, cells), order="F")
        return by_lane if blocked.ndim == 3 else by_lane[:, 0]
