"""The session ends before the wall does: seconds left, and seconds that must be kept back."""

from __future__ import annotations

from collections.abc import Callable


class SoftDeadline:
    """Counts down on a monotonic clock and knows how long the last acts of a session take.

    Args:
        limit_s: Wall seconds that the session may use, from `started_s` on; None means no limit.
        monotonic: Returns seconds; injected so that tests need not wait.
        started_s: Reading of `monotonic` when the session began.
        margin_s: Kept back beside the measured acts, for the manifest and the log.
    """

    def __init__(
        self,
        limit_s: float | None,
        *,
        monotonic: Callable[[], float],
        started_s: float,
        margin_s: float = 5.0,
    ) -> None:
        self._limit_s = limit_s
        self._monotonic = monotonic
        self._started_s = started_s
        self._margin_s = margin_s
        self._longest_s: dict[str, float] = {}
        self._total_s: dict[str, float] = {}

    @property
    def elapsed_s(self) -> float:
        """Seconds since the session began."""
        return self._monotonic() - self._started_s

    @property
    def remaining_s(self) -> float | None:
        """Seconds to the limit, None without one."""
        return None if self._limit_s is None else self._limit_s - self.elapsed_s

    def measured(self, act: str, seconds: float) -> None:
        """Record how long an act (`save`, `evaluate`) took; the longest one is kept back from then on."""
        self._longest_s[act] = max(seconds, self._longest_s.get(act, 0.0))
        self._total_s[act] = self._total_s.get(act, 0.0) + seconds

    @property
    def totals_s(self) -> dict[str, float]:
        """Seconds spent in each measured act."""
        return dict(self._total_s)

    @property
    def reserve_s(self) -> float:
        """Seconds kept back: each measured act once more at its slowest, half as much again, and the margin."""
        return 1.5 * sum(self._longest_s.values()) + min(self._margin_s, 0.1 * (self._limit_s or 0.0))

    @property
    def reached(self) -> bool:
        """Whether the session must leave now to save, evaluate and write its manifest in time."""
        remaining_s = self.remaining_s
        return remaining_s is not None and remaining_s <= self.reserve_s
