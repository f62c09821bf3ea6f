"""The soft deadline: a session stops early enough to save its results before the backend's time limit."""

from __future__ import annotations

from collections.abc import Callable


class SoftDeadline:
    """Seconds left on a monotonic clock, and seconds to reserve for the last actions of a session.

    Args:
        limit_s: Wall seconds that the session may use, from `started_s` on; None means no limit.
        monotonic: Returns seconds; injected so that tests need not wait.
        started_s: Value of `monotonic` when the session began.
        margin_s: Seconds reserved for the manifest and the log, beside the measured actions.
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
        """Record how long an action (`save`, `evaluate`) took; the longest time of each action is reserved."""
        self._longest_s[act] = max(seconds, self._longest_s.get(act, 0.0))
        self._total_s[act] = self._total_s.get(act, 0.0) + seconds

    @property
    def totals_s(self) -> dict[str, float]:
        """Seconds spent in each measured action."""
        return dict(self._total_s)

    @property
    def reserve_s(self) -> float:
        """Seconds to reserve: 1.5 times the sum of each action's longest time, plus the margin."""
        return 1.5 * sum(self._longest_s.values()) + min(self._margin_s, 0.1 * (self._limit_s or 0.0))

    @property
    def reached(self) -> bool:
        """Whether the session must stop now to save, evaluate and write its manifest in time."""
        remaining_s = self.remaining_s
        return remaining_s is not None and remaining_s <= self.reserve_s
