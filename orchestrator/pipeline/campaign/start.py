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
from orchestrator.core.scheduling.placement import KIND_REMEDY, no_session_of_kind, on_kind
from orchestrator.core.scheduling.quota import Allowance, allowance, promised_s, spent_s, week_of
from orchestrator.core.scheduling.scheduler import ListScheduler
from orchestrator.core.scheduling.workload import RemainingWork, chains_s, ready_trial
from orchestrator.core.section.session_kind import SessionKind
from orchestrator.core.session.time_budget import granted_s
from orchestrator.pipeline.campaign.context import CampaignContext
from orchestrator.pipeline.context import RunContext


class Room:
    """Slots and quota for the sessions that a tick starts; both shrink with each one.

    Args:
        kinds: Kinds of session that any ready trial may use.
        in_flight: Sessions that use a slot, those of one kernel together; one of an unknown kind uses that of a GPU
            session.
        deadline: The campaign's own, None without one.
    """

    def __init__(
        self,
        slots: Slots,
        kinds: Collection[SessionKind],
        in_flight: Sequence[SessionRecord],
        deadline: datetime | None = None,
    ) -> None:
        self._slots = slots
        self._kinds = tuple(kind for kind in SessionKind if kind in kinds)
        self._in_use = Counter(together[0].kind or SessionKind.GPU for together in kernels_of(in_flight).values())
        self._deadline = deadline
        self._allowed: Allowance | None = None
        self._left_s: float | None = None
        self._closed: dict[SessionKind, str] = {}

    def has_room(self, kind: SessionKind) -> bool:
        """Whether a session of this kind may start."""
        return kind in self._kinds and kind not in self._closed and self._slots.has_free(kind, self._in_use)

    @property
    def is_full(self) -> bool:
        """Whether no session may start."""
        return not any(map(self.has_room, self._kinds))

    def allow(self, allowed: Allowance | None) -> None:
        """Limit GPU sessions to a quota, None for no limit."""
        self._allowed, self._left_s = allowed, allowed.left_s if allowed else None

    def close(self, kind: SessionKind, why: str) -> None:
        """Start no more sessions of a kind in this tick."""
        self._closed[kind] = why

    def grant(self, work: RemainingWork, now: datetime) -> tuple[SessionKind, float] | None:
        """Kind and wall seconds of a trial's next session; None if no kind of session takes it now."""
        for kind in filter(self.has_room, work.kinds):
            left_s = self._left_s if kind is SessionKind.GPU else None
            until_s = (self._deadline - now).total_seconds() if self._deadline else None
            wall_s = granted_s(work.session_s, needed_s=work.overhead_s, left_s=left_s, until_deadline_s=until_s)
            if wall_s is not None and work.better_elsewhere(kind, wall_s, until_s):
                continue
            if wall_s is not None:
                return kind, wall_s
            if until_s is not None and (left_s is None or until_s < left_s):
                self.close(kind, "the time until the deadline is too short for a session")
                continue
            hours = (self._allowed.refresh_in_s if self._allowed else 0.0) / 3600
            why = f"the rest of this week's quota is too short for a session; the next week starts in {hours:.1f} h"
            self.close(kind, why)
        return None

    def use(self, kind: SessionKind, wall_s: float) -> None:
        """Count a session that was started."""
        self._in_use[kind] += 1
        if self._left_s is not None and kind is SessionKind.GPU:
            self._left_s -= wall_s

    def why_full(self) -> str:
        """Why no more sessions start, for each kind; empty if one could."""
        reasons = {kind: self._closed.get(kind, "") for kind in self._kinds if not self.has_room(kind)}
        if not any(reasons.values()) and len(reasons) == len(self._kinds):
            return f"all {self._slots} slots are in use"
        if len(self._kinds) == 1:
            return "".join(reasons.values())
        return "; ".join(
            f"{kind.value.upper()}: {why or f'all {self._slots.of(kind)} slots are in use'}"
            for kind, why in reasons.items()
        )


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
    ready: Sequence[TrialStatus],
    work: Mapping[int, RemainingWork],
    in_flight: Sequence[SessionRecord],
    named: Collection[str],
) -> tuple[Room, OrchestratorError | None]:
    """The room for new sessions; and why the quota cannot be read: then no GPU session starts.

    Args:
        ready: Of the trials that may start now.
        work: What each trial still needs, and in which kinds of session.
        in_flight: Sessions that use a slot and quota.
        named: As in `campaign_allowance`.
    """
    kinds = {kind for one in ready for kind in work[one.trial.index].kinds}
    room = Room(context.campaign.slots, kinds, in_flight, context.campaign.stop.deadline)
    if not room.has_room(SessionKind.GPU):
        return room, None
    run_context = context.run_context(on_kind(context.campaign, context.trials[0].card, SessionKind.GPU))
    try:
        room.allow(campaign_allowance(context, run_context, named, in_flight))
    except OrchestratorError as fault:
        room.close(SessionKind.GPU, "the quota cannot be read")
        return room, fault
    return room, None


def stranded(
    ready: Sequence[TrialStatus], work: Mapping[int, RemainingWork]
) -> Iterator[tuple[Trial, OrchestratorError]]:
    """Trials that need a kind of session of which the campaign has none, each with the reason to refuse it."""
    for one in ready:
        if not work[one.trial.index].kinds:
            yield one.trial, BadInput(no_session_of_kind(one), remedy=KIND_REMEDY)


def switch_messages(trial: Trial, began: SessionKind | None, kind: SessionKind) -> Iterator[str]:
    """A sentence for a trial that goes on in another kind of session than it began in."""
    if began is None or began is kind:
        return
    yield (
        f"{trial.label} [{trial.name8}]: began in {began.value.upper()} sessions, continues in {kind.value.upper()} "
        "sessions as its settings say, not exactly"
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
    budget_h = context.campaign.weekly_gpu_hours
    quota = run_context.backend.quota()
    spent = 0.0
    if budget_h is not None:
        since, _ = week_of(context.clock.now(), quota)
        spent = spent_s(
            sessions_of_campaign(context.ledger.sessions(), context.ledger.runs(), context.campaign.campaign, named),
            since,
        )
    return allowance(
        context.clock.now(),
        quota=quota,
        budget_s=None if budget_h is None else budget_h * 3600,
        spent_s=spent,
        promised_s=promised_s(in_flight),
    )
