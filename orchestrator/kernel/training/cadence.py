"""When a checkpoint is due."""

from __future__ import annotations

from collections.abc import Callable

SAVES_APART_S = 30.0
"""Without a cadence in steps, a save follows the last one after this time, or later if saves are slow."""
SHARE_OF_TRAINING = 0.02
"""Saves by time take at most this share of the time: of the time since the last save, and of the whole session's."""


class SaveCadence:
    """Decides by steps or by time. A save does not change the training, so a clock may decide.

    Args:
        every: Steps between two saves, None to decide by time.
        start: Steps done before the session.
        monotonic: Seconds.
    """

    def __init__(self, every: int | None, *, start: int, monotonic: Callable[[], float]) -> None:
        self._every = every
        self._checked = start
        self._monotonic = monotonic
        self._began_s = self._ended_s = monotonic()
        self._took_s = self._total_s = 0.0

    def is_due(self, step: int) -> bool:
        """Whether to save after `step` steps; by steps, it answers yes once for each multiple that was passed."""
        if self._every:
            due = step // self._every > self._checked // self._every
            self._checked = step
            return due
        now_s = self._monotonic()
        if now_s - self._ended_s < max(SAVES_APART_S, self._took_s / SHARE_OF_TRAINING):
            return False
        return self._total_s + self._took_s <= SHARE_OF_TRAINING * (now_s - self._began_s)

    def saved(self, took_s: float) -> None:
        """Record a save that ended now."""
        self._ended_s, self._took_s = self._monotonic(), took_s
        self._total_s += took_s
