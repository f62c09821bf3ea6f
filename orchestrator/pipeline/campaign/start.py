"""Which trials may start now, in which order, and how much quota is left for them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime

from orchestrator.core.campaign.expansion import Trial
from orchestrator.core.campaign.orphans import sessions_of_campaign
from orchestrator.core.campaign.session_slots import Slots
from orchestrator.core.campaign.trial_status import TrialStatus
from orchestrator.core.errors import BadInput, OrchestratorError
from orchestrator.core.ledger.records import SessionRecord
from orchestrator.core.scheduling.packs import kernels_of
from orchestrator.core.scheduling.placement import metered_site, no_session, on_site, waits_for_backend
from orchestrator.core.scheduling.quota import Allowance, allowance, metered_sessions, promised_s, spent_s, week_of
from orchestrator.core.scheduling.scheduler import ListScheduler
from orchestrator.core.scheduling.workload import Option, RemainingWork, chains_s, ready_trial
from orchestrator.core.section.site import Site, site_of
from orchestrator.core.session.time_budget import granted_s
from orchestrator.pipeline.campaign.context import CampaignContext
from orchestrator.pipeline.campaign.tick_report import Reach
from orchestrator.pipeline.context import RunContext


class Room:
    """Slots and quota for the sessions that a tick starts; both shrink with each one.

    Args:
        sites: Sites that any ready trial may use.
        in_flight: Sessions that use a slot, those of one kernel together. Where all slots are shared, one on a backend
            that the campaign does not name uses a slot as well.
        deadline: The campaign's own, None without one.
    """

    def __init__(
        self,
        slots: Slots,
        sites: Collection[Site],
        in_flight: Sequence[SessionRecord],
        deadline: datetime | None = None,
    ) -> None:
        self._slots = slots
        self._sites = tuple(site for site in slots.sites if site in sites)
        used = (site_of(one.backend, one.kind) for one, *_ in kernels_of(in_flight).values())
        shared = slots.sites[0] if len(slots.pools) == 1 else None
        self._in_use = Counter(site if slots.of(site) or shared is None else shared for site in used)
        self._deadline = deadline
        self._allowed: Allowance | None = None
        self._left_s: float | None = None
        self._closed: dict[Site, str] = {}
        self._shut: set[Site] = set()

    def has_room(self, site: Site) -> bool:
        """Whether a session may start at this site."""
        return site in self._sites and site not in self._closed and self._slots.has_free(site, self._in_use)

    @property
    def is_full(self) -> bool:
        """Whether no session may start."""
        return not any(map(self.has_room, self._sites))

    def allow(self, allowed: Allowance | None) -> None:
        """Limit the sessions that are metered to a quota, None for no limit."""
        self._allowed, self._left_s = allowed, allowed.left_s if allowed else None

    def close(self, site: Site, why: str) -> None:
        """Start no more sessions at a site in this tick; trials that began there wait."""
        self._closed[site] = why

    def shut(self, site: Site, why: str) -> None:
        """Start no more sessions at a site in this tick; trials that began there may go on elsewhere."""
        self._closed[site] = why
        self._shut.add(site)

    def close_backend(self, backend: str) -> None:
        """`close` every site of a backend that does not answer."""
        for site in self._slots.sites:
            if site.backend == backend:
                self.close(site, "it cannot be used now")

    def grant(self, work: RemainingWork, now: datetime) -> tuple[Site, float] | None:
        """Site and wall seconds of a trial's next session; None if no site takes it now."""
        own = self._granted(work, work.within(()), now)
        # Its own site may have been shut just now.
        return own or (self._granted(work, work.within(self._shut)[1:], now) if work.site is not None else None)

    def _granted(self, work: RemainingWork, options: Sequence[Option], now: datetime) -> tuple[Site, float] | None:
        for option in options:
            site = option.site
            if not self.has_room(site):
                continue
            left_s = self._left_s if site in self._slots.metered else None
            until_s = (self._deadline - now).total_seconds() if self._deadline else None
            wall_s = granted_s(option.session_s, needed_s=work.overhead_s, left_s=left_s, until_deadline_s=until_s)
            if wall_s is not None and work.better_elsewhere(site, wall_s, until_s):
                continue
            if wall_s is not None:
                return site, wall_s
            if until_s is not None and (left_s is None or until_s < left_s):
                self.close(site, "the time until the deadline is too short for a session")
                continue
            hours = (self._allowed.refresh_in_s if self._allowed else 0.0) / 3600
            why = f"the rest of this week's quota is too short for a session; the next week starts in {hours:.1f} h"
            self.shut(site, why)
        return None

    def use(self, site: Site, wall_s: float) -> None:
        """Count a session that was started."""
        self._in_use[site] += 1
        if self._left_s is not None and site in self._slots.metered:
            self._left_s -= wall_s

    def why_full(self) -> str:
        """Why no more sessions start, for each site; empty if one could."""
        reasons = {site: self._closed.get(site, "") for site in self._sites if not self.has_room(site)}
        several = len(self._slots.backends) > 1
        if not any(reasons.values()) and len(reasons) == len(self._sites) and not several:
            return f"all {self._slots} slots are in use"
        if len(self._sites) == 1 and not several:
            return "".join(reasons.values())
        each = (
            f"{self._slots.name(site)}: {why or f'all {self._slots.of(site)} slots are in use'}"
            for site, why in reasons.items()
        )
        return "; ".join(dict.fromkeys(each))


def start_order(seats: int, work: Mapping[int, RemainingWork], ready: Sequence[TrialStatus]) -> Iterator[RemainingWork]:
    """The trials in the order in which they start; each one counts as started for those after it.

    Args:
        seats: Trainings that can be in flight together.
        work: Index of each trial without a final state -> what it still needs.
        ready: Statuses of the trials that may start now.
    """
    chains = chains_s(work.values())
    ready_work = [work[one.trial.index] for one in ready]
    scheduler = ListScheduler(
        [ready_trial(one, chains[one.group]) for one in ready_work],
        slots=seats,
        work_s=math.fsum(one.wall_s for one in work.values()),
        open_s=math.fsum(one.wall_s for one in ready_work),
    )
    while (taken := scheduler.take()) is not None:
        one = work[taken.index]
        yield one
        scheduler.started(min(one.session_s, one.wall_s))


def room_for(
    context: CampaignContext,
    reach: Reach,
    ready: Sequence[TrialStatus],
    work: Mapping[int, RemainingWork],
    in_flight: Sequence[SessionRecord],
    named: Collection[str],
) -> tuple[Room, OrchestratorError | None]:
    """The room for new sessions; and why the quota cannot be read: then no metered session starts.

    Args:
        ready: Of the trials that may start now.
        work: What each trial still needs, and where it may run.
        in_flight: Sessions that use a slot and quota.
        named: As in `campaign_allowance`.
    """
    sites = {site for one in ready for site in work[one.trial.index].sites}
    room = Room(context.campaign.slots, sites, in_flight, context.campaign.stop.deadline)
    for away in context.campaign.slots.sites:
        if away.backend in reach.away:
            room.shut(away, "it cannot be used now")
    site = metered_site(context.campaign, context.trials)
    if site is None or not room.has_room(site):
        return room, None
    run_context = reach.run_context(on_site(context.trials[0].card, site), site.backend)
    if run_context is None:
        room.close_backend(site.backend)
        return room, None
    try:
        room.allow(campaign_allowance(context, run_context, named, in_flight))
    except OrchestratorError as fault:
        room.close(site, "the quota cannot be read")
        return room, fault
    return room, None


def stranded(
    context: CampaignContext, ready: Sequence[TrialStatus], work: Mapping[int, RemainingWork]
) -> Iterator[tuple[Trial, OrchestratorError]]:
    """Trials for which the campaign has no session, each with the reason to refuse it."""
    for one in ready:
        if not work[one.trial.index].options:
            why, remedy = no_session(context.campaign, one)
            yield one.trial, BadInput(why, remedy=remedy)


def without_held(ready: Sequence[TrialStatus], away: Collection[str], now: datetime) -> tuple[list[TrialStatus], str]:
    """The trials that do not wait for a backend that is away; and how many do, empty if none does."""
    held = Counter(one.site.backend for one in ready if one.site is not None and waits_for_backend(one, away, now))
    free = [one for one in ready if not waits_for_backend(one, away, now)] if held else list(ready)
    return free, "; ".join(f"{count} trial(s) wait for {backend}, where they began" for backend, count in held.items())


def switch_messages(trial: Trial, began: Site | None, site: Site) -> Iterator[str]:
    """A sentence for a trial that goes on at another site than it began at."""
    if began is None or began == site:
        return
    name = f"{trial.label} [{trial.name8}]"
    if began.backend != site.backend:
        yield f"{name}: began in {began.words}, continues in {site.words}; its resume grade says what that costs"
    elif began.kind is not None and site.kind is not None:
        yield (
            f"{name}: began in {began.kind.value.upper()} sessions, continues in {site.kind.value.upper()} sessions as "
            "its settings say, not exactly"
        )


def campaign_allowance(
    context: CampaignContext, run_context: RunContext, named: Collection[str], in_flight: Sequence[SessionRecord]
) -> Allowance | None:
    """Quota that is left for new GPU sessions, by the account and by the campaign's own budget; None without a limit.

    Args:
        named: Lineage ids of the campaign's trials, and of removed trials with a session in flight.
        in_flight: Sessions that use a slot and quota.

    Raises:
        RemoteUnavailable: The quota cannot be read.
    """
    budget_h, slots = context.campaign.weekly_gpu_hours, context.campaign.slots
    quota = run_context.backend.quota()
    spent = 0.0
    if budget_h is not None:
        since, _ = week_of(context.clock.now(), quota)
        own = sessions_of_campaign(context.ledger.sessions(), context.ledger.runs(), context.campaign.campaign, named)
        spent = spent_s(metered_sessions(slots, own), since)
    return allowance(
        context.clock.now(),
        quota=quota,
        budget_s=None if budget_h is None else budget_h * 3600,
        spent_s=spent,
        promised_s=promised_s(metered_sessions(slots, in_flight)),
    )
