"""Memory layout of a batch of crossings: blocks that fit the cache and are wide enough for SIMD instructions."""

from __future__ import annotations

import numpy as np

from validation_ch7.traffic.model.arz import Floats

# 32 crossings of 8 links x 30 cells are two arrays of 61 kB float64: well within the second-level cache of usual
# processors, and wide enough for fast loops over lanes. Faster than 16 and 64 in measurements.
WIDEST = 32


class Blocks:
    """The layout of a batch: `number` blocks of `width` crossings; the last block may have unused places.

    Args:
        batch: Number of crossings.
        widest: Largest number of crossings in one block.

    Attributes:
        number: Number of blocks.
        width: Crossings of each block, called `L` elsewhere.

    Raises:
        ValueError: A number is less than 1.
    """

    def __init__(self, batch: int, widest: int = WIDEST) -> None:
        if batch < 1 or widest < 1:
            raise ValueError(f"batch is {batch} and the widest block {widest}; both must be at least 1")
        self.batch = batch
        self.number = -(-batch // widest)
        self.width = -(-batch // self.number)

    def zeros(self, links: int, cells: int | None = None) -> Floats:
        """Zeros in blocks, shape (blocks, links * L), or (blocks, cells, links * L)."""
        lanes = links * self.width
        return np.zeros((self.number, lanes) if cells is None else (self.number, cells, lanes))

    def scatter(self, by_lane: Floats) -> Floats:
        """Copy values by lane, shape (links * batch,) or (links * batch, cells), into blocks."""
        cells = by_lane.shape[1] if by_lane.ndim == 2 else 1
        links = by_lane.shape[0] // self.batch
        padded = np.zeros((links, self.number * self.width, cells))
        padded[:, : self.batch] = by_lane.reshape(links, self.batch, cells)
        blocked = padded.reshape(links, self.number, self.width, cells).transpose(1, 3, 0, 2)
        shape = (self.number, cells, links * self.width)
        return np.ascontiguousarray(blocked).reshape(shape if by_lane.ndim == 2 else (self.number, shape[2]))

    def gather(self, blocked: Floats) -> Floats:
        """The inverse of `scatter`: a copy by lane, cells last."""
        if self.number == 1:  # the usual case in training, at every decision
            return np.array(blocked[0].T, order="F")
        cells = blocked.shape[1] if blocked.ndim == 3 else 1
        links = blocked.shape[-1] // self.width
        apart = blocked.reshape(self.number, cells, links, self.width).transpose(2, 0, 3, 1)
        together = apart.reshape(links, self.number * self.width, cells)[:, : self.batch]
        # Always order F: sums over cells then add whole columns, in the same order for every layout.
        by_lane = np.array(together.reshape(links * self.batch, cells), order="F")
        return by_lane if blocked.ndim == 3 else by_lane[:, 0]
