"""Which trials start together in one kernel: the next in order, and those after it that take about as long."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from orchestrator.core.campaign.config import Campaign
from orchestrator.core.campaign.session_slots import Slots
from orchestrator.core.ledger.records import SessionRecord
from orchestrator.core.scheduling.placement import on_kind
from orchestrator.core.scheduling.workload import RemainingWork
from orchestrator.core.section.card import SectionCard
from orchestrator.core.section.session_kind import SessionKind

ALIKE = 0.8
"""The shorter of two sessions lasts at least this part of the longer one: the kernel ends with its longest session."""
LOOK_AHEAD = 64
"""So many trials are looked at for a kernel beyond those that are taken."""


def are_alike(one_s: float, other_s: float) -> bool:
    """Whether two sessions of these lengths take about as long."""
    return min(one_s, other_s) >= ALIKE * max(one_s, other_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Packing:
    """Which trainings can share a kernel.

    Attributes:
        places: Kind of session -> trainings in one kernel; 1 for a kind that is not named.
        shares: Index of a trial -> what it must have in common with the others of its kernel.
    """

    places: Mapping[SessionKind, int] = field(default_factory=dict)
    shares: Mapping[int, Hashable] = field(default_factory=dict)

    @property
    def is_alone(self) -> bool:
        """Whether each training has its own kernel."""
        return max(self.places.values(), default=1) == 1

    def seats(self, slots: Slots) -> int:
        """Trainings that can be in flight together."""
        if slots.by_kind is None:
            return slots.total * max(self.places.values(), default=1)
        return sum(slots.of(kind) * self.places.get(kind, 1) for kind in slots.kinds)


def places_of(campaign: Campaign, card: SectionCard, machine_places: Callable[[SectionCard], int]) -> int:
    """How many trainings of a card share a kernel.

    Args:
        card: As it is pushed, for its kind of session.
        machine_places: Sessions of a card that one machine of its backend runs side by side.
    """
    pack = campaign.pack or card.pack
    return max(1, machine_places(card)) if pack == "auto" else pack


def places_by_kind(
    campaign: Campaign, card: SectionCard, machine_places: Callable[[SectionCard], int]
) -> dict[SessionKind, int]:
    """`places_of` for each kind of session that a campaign may use."""
    slots = campaign.slots
    kinds = (card.kaggle.kind,) if slots.by_kind is None else slots.kinds
    if campaign.backend != "kaggle":
        kinds = (SessionKind.GPU,)  # another backend has no kinds: see `possible_kinds`
    return {kind: places_of(campaign, on_kind(campaign, card, kind), machine_places) for kind in kinds}


def planned_places(
    campaign: Campaign, card: SectionCard, machine_places: Callable[[SectionCard], int]
) -> dict[SessionKind, int]:
    """`places_by_kind`, but at most what a machine runs side by side: the others wait in the kernel for a place."""
    return {
        kind: min(places, max(1, machine_places(on_kind(campaign, card, kind))))
        for kind, places in places_by_kind(campaign, card, machine_places).items()
    }


def prefers_alike(best: SessionKind, other: RemainingWork, kind: SessionKind) -> bool:
    """Whether another trial may share a kernel of that kind: a trial with a better kind of its own waits for it.

    Args:
        best: The better kind of the first trial in the kernel.
    """
    return kind in other.kinds and other.kinds[0] is best


Waiting = TypeVar("Waiting")


def joining(
    first: Waiting, places: int, take: Callable[[], Waiting | None], fits: Callable[[Waiting], bool]
) -> tuple[list[Waiting], list[Waiting]]:
    """A trial with those that start in its kernel, and the trials that were passed over.

    Args:
        places: Trainings that share a kernel.
        take: Returns the next trial, None at the end.
        fits: Whether a trial may start in the kernel of the first one.
    """
    taken, passed = [first], list[Waiting]()
    while len(taken) < places and len(passed) < LOOK_AHEAD and (other := take()) is not None:
        (taken if fits(other) else passed).append(other)
    return taken, passed


class PackOrder:
    """The trials in the order in which they start, with those that join one of them in its kernel taken out.

    Args:
        order: The scheduler's order.
        shares: What the trials of one kernel must have in common (section, code, machine).
    """

    def __init__(
        self, order: Iterator[RemainingWork], shares: Callable[[RemainingWork, SessionKind], Hashable]
    ) -> None:
        self._order = order
        self._shares = shares
        self._passed: deque[RemainingWork] = deque()

    def next(self) -> RemainingWork | None:
        """The next trial, None at the end."""
        return self._passed.popleft() if self._passed else next(self._order, None)

    def joining(self, first: RemainingWork, places: int, kind: SessionKind) -> list[RemainingWork]:
        """A trial, and later ones that start in its kernel.

        Args:
            places: Trainings that share a kernel.
            kind: Of the session.
        """

        def fits(other: RemainingWork) -> bool:
            return (
                prefers_alike(first.kinds[0], other, kind)
                and are_alike(_session_s(first, kind), _session_s(other, kind))
                and self._shares(first, kind) == self._shares(other, kind)
            )

        taken, passed = joining(first, places, self.next, fits)
        self._passed.extendleft(reversed(passed))
        return taken


def _session_s(work: RemainingWork, kind: SessionKind) -> float:
    """Wall seconds of a trial's next session of a kind."""
    return min(work.session_s, work.placed(kind).wall_s)


def complete_packs(sessions: Sequence[SessionRecord]) -> frozenset[str]:
    """Names of the packs of which the ledger has every session that exists."""
    existing = [one for one in sessions if not one.never_submitted]
    kernels = {one.kernel: one.kernel_sessions for one in existing if one.kernel is not None}
    found = Counter(one.kernel for one in existing)
    return frozenset(name for name, count in kernels.items() if found[name] >= count)


def kernels_of(sessions: Iterable[SessionRecord]) -> dict[tuple[str, str], list[SessionRecord]]:
    """Sessions by their kernel; each session alone by its own key."""
    found: dict[tuple[str, str], list[SessionRecord]] = {}
    for one in sessions:
        found.setdefault((one.backend, one.kernel or one.key), []).append(one)
    return found
