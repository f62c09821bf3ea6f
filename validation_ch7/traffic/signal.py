"""A two-phase signal with its safety times, batched. Counts whole time steps, so no rounding can creep in."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from validation_ch7.traffic.parameters import CrossingParameters

Counts = npt.NDArray[np.int64]

NORTH_SOUTH, EAST_WEST = 0, 1


class Signal:
    """Phases of n crossings. Phase 0 is green for north and south, phase 1 for east and west.

    Leaving a phase starts the change interval, in which no approach flows. A request before the least green is
    ignored; at the greatest green the phase is left whatever is asked for.

    Attributes:
        phase: (n,) the phase that is green, or that will be after the change interval.
        green_ticks: (n,) time steps of green of that phase so far.
        change_ticks: (n,) time steps of the change interval still to come.
        switches: (n,) phases left since the last reset.
    """

    def __init__(self, n: int, parameters: CrossingParameters) -> None:
        self._min_green = parameters.ticks(parameters.min_green_s)
        self._max_green = parameters.ticks(parameters.max_green_s)
        self._change = parameters.ticks(parameters.change_interval_s)
        self._dt_s = parameters.dt_s
        self.phase: Counts = np.zeros(n, dtype=np.int64)
        self.green_ticks: Counts = np.zeros(n, dtype=np.int64)
        self.change_ticks: Counts = np.zeros(n, dtype=np.int64)
        self.switches: Counts = np.zeros(n, dtype=np.int64)

    def reset(self) -> None:
        """All crossings: phase 0 begins its green."""
        for counts in (self.phase, self.green_ticks, self.change_ticks, self.switches):
            counts[:] = 0

    def request(self, wanted: Counts) -> None:
        """Ask each crossing for a phase.

        Args:
            wanted: (n,) 0 or 1.

        Raises:
            ValueError: Another number was asked for.
        """
        if wanted.shape != self.phase.shape or np.any((wanted != NORTH_SOUTH) & (wanted != EAST_WEST)):
            raise ValueError(f"a phase is 0 or 1 for each of {len(self.phase)} crossings, not {wanted!r}")
        may = (self.change_ticks == 0) & (self.green_ticks >= self._min_green)
        self._leave(may & (wanted != self.phase))

    def gates(self) -> npt.NDArray[np.float64]:
        """(n, 4) 1 where the approach may flow, 0 where it is held: north, south, east, west."""
        open_now = self.change_ticks == 0
        north_south = (open_now & (self.phase == NORTH_SOUTH)).astype(np.float64)
        east_west = (open_now & (self.phase == EAST_WEST)).astype(np.float64)
        return np.stack([north_south, north_south, east_west, east_west], axis=1)

    def tick(self) -> None:
        """Let one time step pass."""
        changing = self.change_ticks > 0
        self.change_ticks -= changing
        self.green_ticks += ~changing
        self._leave(self.green_ticks >= self._max_green)

    @property
    def green_s(self) -> npt.NDArray[np.float64]:
        """(n,) seconds of green of the current phase."""
        seconds: npt.NDArray[np.float64] = self.green_ticks.astype(np.float64) * self._dt_s
        return seconds

    def get_state(self) -> dict[str, object]:
        """Everything, copied."""
        return {name: getattr(self, name).copy() for name in _STATE}

    def set_state(self, state: Mapping[str, object]) -> None:
        """Put a state back, copied."""
        for name in _STATE:
            getattr(self, name)[:] = np.asarray(state[name], dtype=np.int64)

    def _leave(self, leaving: npt.NDArray[np.bool_]) -> None:
        self.phase[leaving] = 1 - self.phase[leaving]
        self.green_ticks[leaving] = 0
        self.change_ticks[leaving] = self._change
        self.switches[leaving] += 1


_STATE = ("phase", "green_ticks", "change_ticks", "switches")
