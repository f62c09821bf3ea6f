"""Which trials start together in one kernel: the next in order, and those after it that take about as long."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from orchestrator.core.campaign.config import Campaign
from orchestrator.core.campaign.session_slots import Slots
from orchestrator.core.ledger.records import SessionRecord
from orchestrator.core.scheduling.placement import on_site
from orchestrator.core.scheduling.workload import RemainingWork
from orchestrator.core.section.card import SectionCard
from orchestrator.core.section.site import KAGGLE, SLURM, Site

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
        places: Site -> trainings in one kernel; 1 for a site that is not named.
        shares: Index of a trial -> what it must have in common with the others of its kernel.
    """

    places: Mapping[Site, int] = field(default_factory=dict)
    shares: Mapping[int, Hashable] = field(default_factory=dict)

    @property
    def is_alone(self) -> bool:
        """Whether each training has its own kernel."""
        return max(self.places.values(), default=1) == 1

    def seats(self, slots: Slots) -> int:
        """Trainings that can be in flight together."""
        return sum(pool.count * max(self.places.get(site, 1) for site in pool.sites) for pool in slots.pools)


MachinePlaces = Callable[[SectionCard, str], int]
"""Card as it is pushed, backend -> sessions that one machine of the backend runs side by side."""


def tasks_of_array(card: SectionCard, backend: str) -> int:
    """Most trainings of a card that are submitted together as tasks of a job array; 1 where there are no arrays."""
    return card.slurm.array if backend == SLURM else 1


def places_of(campaign: Campaign, card: SectionCard, backend: str, machine_places: MachinePlaces) -> int:
    """How many trainings of a card share a kernel, or a job array.

    The tasks of an array share no machine: `pack` does not count for them.

    Args:
        card: As it is pushed, for its kind of session.
    """
    if (tasks := tasks_of_array(card, backend)) > 1:
        return tasks
    pack = campaign.pack or card.pack
    return max(1, machine_places(card, backend)) if pack == "auto" else pack


def places_by_site(campaign: Campaign, card: SectionCard, machine_places: MachinePlaces) -> dict[Site, int]:
    """`places_of` at each site that a campaign may use; where kinds share their slots, at that of the card's kind."""
    sites = [
        site
        for pool in campaign.slots.pools
        for site in ((Site(KAGGLE, card.kaggle.kind),) if len(pool.sites) > 1 else pool.sites)
    ]
    return {site: places_of(campaign, on_site(card, site), site.backend, machine_places) for site in sites}


def planned_places(campaign: Campaign, card: SectionCard, machine_places: MachinePlaces) -> dict[Site, int]:
    """`places_by_site`, but at most what a machine runs side by side: the others wait in the kernel for a place."""

    def most(site: Site) -> int:
        placed = on_site(card, site)
        return max(machine_places(placed, site.backend), tasks_of_array(placed, site.backend), 1)

    return {site: min(places, most(site)) for site, places in places_by_site(campaign, card, machine_places).items()}


def prefers_alike(best: Site, other: RemainingWork, site: Site) -> bool:
    """Whether another trial may share a kernel at that site: a trial with a better site of its own waits for it.

    Args:
        best: The better site of the first trial in the kernel.
    """
    return other.best == best and site in other.sites


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

    def __init__(self, order: Iterator[RemainingWork], shares: Callable[[RemainingWork, Site], Hashable]) -> None:
        self._order = order
        self._shares = shares
        self._passed: deque[RemainingWork] = deque()

    def next(self) -> RemainingWork | None:
        """The next trial, None at the end."""
        return self._passed.popleft() if self._passed else next(self._order, None)

    def joining(self, first: RemainingWork, places: int, site: Site) -> list[RemainingWork]:
        """A trial, and later ones that start in its kernel.

        Args:
            places: Trainings that share a kernel.
            site: Of the session.
        """

        def fits(other: RemainingWork) -> bool:
            return (
                prefers_alike(first.best, other, site)
                and are_alike(_session_s(first, site), _session_s(other, site))
                and self._shares(first, site) == self._shares(other, site)
            )

        taken, passed = joining(first, places, self.next, fits)
        self._passed.extendleft(reversed(passed))
        return taken


def _session_s(work: RemainingWork, site: Site) -> float:
    """Wall seconds of a trial's next session at a site."""
    placed = work.placed(site)
    return min(placed.session_s, placed.wall_s)


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
