"""Peak rates of one core: a product of matrices and a triad, float64, one thread."""

from __future__ import annotations

import statistics

import numba
import numpy as np

from tests.bench.peers.core_time import Timed
from tests.bench.rows import Roofs

SIDE = 1024
LONG = 8_000_000  # 64 MB an array, 192 MB in all: larger than caches are
_Array = np.ndarray


@numba.njit(fastmath=True, nogil=True)
def _triad(a: _Array, b: _Array, c: _Array, factor: float) -> None:
    for place in range(a.shape[0]):
        a[place] = b[place] + factor * c[place]


def measure(rounds: int) -> Roofs:
    """Medians of the rounds, by core time.

    The triad counts 24 bytes per element; what the hardware reads before it writes is not counted.
    Source: McCalpin, STREAM benchmark, https://www.cs.virginia.edu/stream/ref.html
    """
    left, right = np.random.default_rng(0).random((2, SIDE, SIDE))
    a, b, c = np.zeros(LONG), np.ones(LONG), np.ones(LONG)
    _triad(a, b, c, 3.0)
    flop, traffic = [], []
    for _ in range(rounds):
        with Timed() as spent:
            left @ right
        flop.append(2.0 * SIDE**3 / spent.core_s)
        with Timed() as spent:
            _triad(a, b, c, 3.0)
        traffic.append(24.0 * LONG / spent.core_s)
    return Roofs(flop_per_s=statistics.median(flop), bytes_per_s=statistics.median(traffic))
