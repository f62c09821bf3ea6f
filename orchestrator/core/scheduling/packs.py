"""Which trials start together in one kernel: the next in order, and those after it that take about as long."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterator

from orchestrator.core.scheduling.workload import RemainingWork
from orchestrator.core.section.session_kind import SessionKind

ALIKE = 0.8
"""The shorter of two sessions lasts at least this part of the longer one: the kernel ends with its longest session."""
LOOK_AHEAD = 64
"""So many trials are looked at for a kernel beyond those that are taken."""


def are_alike(one_s: float, other_s: float) -> bool:
    """Whether two sessions of these lengths take about as long."""
    return min(one_s, other_s) >= ALIKE * max(one_s, other_s)


class PackOrder:
    """The trials in the order in which they start, with those that join one of them in its kernel taken out.

    Args:
        order: The scheduler's order.
    """

    def __init__(self, order: Iterator[RemainingWork]) -> None:
        self._order = order
        self._passed: deque[RemainingWork] = deque()

    def next(self) -> RemainingWork | None:
        """The next trial, None at the end."""
        return self._passed.popleft() if self._passed else next(self._order, None)

    def joining(
        self,
        first: RemainingWork,
        places: int,
        kind: SessionKind,
        shares: Callable[[RemainingWork, SessionKind], Hashable],
    ) -> list[RemainingWork]:
        """A trial, and later ones that start in its kernel.

        Args:
            places: Trainings that share a kernel.
            kind: Of the session.
            shares: What the trials of one kernel must have in common (section, code, machine).
        """
        taken: list[RemainingWork] = [first]
        others: list[RemainingWork] = []
        while len(taken) < places and len(others) < LOOK_AHEAD and (other := self.next()) is not None:
            joins = other.kinds[:1] == first.kinds[:1] and kind in other.kinds
            joins = joins and are_alike(session_s(first, kind), session_s(other, kind))
            (taken if joins and shares(other, kind) == shares(first, kind) else others).append(other)
        self._passed.extendleft(reversed(others))
        return taken


def session_s(work: RemainingWork, kind: SessionKind) -> float:
    """Wall seconds of a trial's next session of a kind."""
    return min(work.session_s, work.placed(kind).wall_s)
