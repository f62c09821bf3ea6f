"""One tick of a campaign: bring home what has ended, start what fits, tell what changed, leave.

Each step is the very step of `run`, at another pace; a tick that is killed anywhere is a `run` that was killed there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from orchestrator.core.allowances import allowance, promised_s, spent_s, week_of
from orchestrator.core.backoff import resting_words, rests
from orchestrator.core.budget import granted_s
from orchestrator.core.errors import BadInput, InUse, NotYet, OrchestratorError, RemoteUnavailable
from orchestrator.core.exchange import Handle
from orchestrator.core.forecast import Allowance, Load, chains_s, waiting_of
from orchestrator.core.loads import Known, loads
from orchestrator.core.pace import Pace
from orchestrator.core.records import SessionRecord, Stage
from orchestrator.core.scheduling import Order, Waiting
from orchestrator.core.standings import FINISHED, Standing, State, lacking, stopped_by
from orchestrator.pipeline.campaign import Board, Desk, request_of_trial, seconds_until
from orchestrator.pipeline.glance import glance
from orchestrator.pipeline.parts import Parts
from orchestrator.pipeline.run import execute
from orchestrator.ports import Meters

LOST_LEASE = "another tick has taken over"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticked:
    """What a tick found and did.

    Attributes:
        changes: One sentence each.
        troubles: What went wrong and is tried again by the next tick.
        waits: Why nothing more is started although trials wait: slots, quota, deadline, a stop rule; may be empty.
        remote_away: Whether the far side could not be asked.
    """

    standings: tuple[Standing, ...]
    changes: tuple[str, ...]
    troubles: tuple[str, ...] = ()
    waits: str = ""
    stopped: str = ""
    remote_away: bool = False

    @property
    def over(self) -> bool:
        """Whether no tick will do anything more, as things stand."""
        if self.stopped:
            return not any(one.state is State.LIVE for one in self.standings)
        return all(one.state.final for one in self.standings)

    @property
    def complete(self) -> bool:
        """Whether of every variant as many trials are done as must complete, spares for failed seeds included."""
        return not lacking(self.standings, FINISHED)


class Ticking:
    """Ticks of one campaign by one program; nothing is kept between two that the ledger lacks, but for speed.

    Args:
        desk: What the campaign works with. Its lease must have been taken.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._board = Board(desk)
        self._trials = {trial.lineage_id: trial for trial in desk.trials}
        self._changes: list[str] = []
        self._troubles: list[str] = []
        self._away = False
        self._loads: Known = {}
        self._waiting: dict[int, tuple[Load, float, Waiting]] = {}

    def tick(self) -> Ticked:
        """At most one bounded step for each live run, and as many starts as there are slots."""
        self._changes, self._troubles, self._away = [], [], False
        before = {one.trial.lineage_id: one.state for one in self._board.refresh()}
        for record in self._board.live:
            self._look(record)
        waits, stopped = self._start()
        after = self._board.refresh()
        self._tell(before, after)
        return Ticked(
            standings=after,
            changes=tuple(self._changes),
            troubles=tuple(self._troubles),
            waits=waits,
            stopped=stopped,
            remote_away=self._away,
        )

    def _look(self, record: SessionRecord) -> None:
        current = self._desk.ledger.session(record.key)
        if current is None or current.stage is Stage.CLOSED:
            return  # carried home together with an earlier session of its lineage
        trial = self._trials[record.lineage_id]
        parts = replace(self._desk.parts_of(trial.card), pace=Pace.LOOK)
        if parts.backend.name != record.backend:
            return
        try:
            if record.stage is Stage.SUBMITTED and record.handle:
                glance(parts, record, Handle.parse(record.handle))
            if self._mine():
                execute(parts, request_of_trial(trial))
        except NotYet:
            return  # it goes on
        except OrchestratorError as fault:
            self._trouble(record.slug, fault)

    def _start(self) -> tuple[str, str]:
        """Start what fits; says why not more, and by which rule the campaign has stopped."""
        desk = self._desk
        standings = self._board.refresh()
        stopped = stopped_by(desk.campaign, standings) or self._past_deadline()
        waiting = [one for one in standings if one.state is State.WAITING]
        now, ready, dues = desk.clock.now(), list[Standing](), list[datetime]()
        for one in waiting:
            if one.due_at is not None and rests(one.due_at, now):
                dues.append(one.due_at)
            else:
                ready.append(one)
        slots = desk.campaign.concurrency - len(self._board.live)
        if stopped or not waiting:
            return "", stopped
        if slots <= 0:
            return f"all {desk.campaign.concurrency} slots are in use", ""
        if not ready:
            return resting_words(dues), ""
        first = desk.parts_of(ready[0].trial.card)
        try:
            allowed = self._allowance(first)
        except OrchestratorError as fault:
            self._trouble("quota", fault)
            return "the quota could not be asked", ""
        why = self._fill(slots, self._queue(standings, ready, first), allowed)
        return why or resting_words(dues), ""

    def _queue(self, standings: Sequence[Standing], ready: Sequence[Standing], parts: Parts) -> Iterator[Load]:
        """Trials that may start now, in the scheduler's order."""
        open_loads = loads(self._desk.campaign, standings, parts.backend.capabilities.max_wall_s, self._loads)
        by_index = {load.index: load for load in open_loads}
        behind_s = chains_s(open_loads)
        order = Order(
            [self._waiting_of(by_index[one.trial.index], behind_s[one.trial.variant.group]) for one in ready],
            slots=self._desk.campaign.concurrency,
            work_s=sum(load.wall_s for load in open_loads),
            open_s=sum(by_index[one.trial.index].wall_s for one in ready),
        )
        while (taken := order.take()) is not None:
            load = by_index[taken.index]
            yield load
            order.started(min(load.session_s, load.wall_s))

    def _waiting_of(self, load: Load, behind_s: float) -> Waiting:
        known = self._waiting.get(load.index)
        if known is None or known[0] is not load or known[1] != behind_s:
            known = self._waiting[load.index] = (load, behind_s, waiting_of(load, behind_s))
        return known[2]

    def _fill(self, slots: int, queue: Iterator[Load], allowed: Allowance | None) -> str:
        left_s = allowed.left_s if allowed else None
        for load in queue:
            if slots <= 0:
                return f"all {self._desk.campaign.concurrency} slots are in use"
            until_s = seconds_until(self._desk.clock, self._desk.campaign.stop.deadline)
            wall_s = granted_s(load.session_s, needed_s=load.overhead_s, left_s=left_s, until_deadline_s=until_s)
            if wall_s is None:
                if until_s is not None and (left_s is None or until_s < left_s):
                    return "what is left until the deadline is too short for a session"
                hours = (allowed.refresh_in_s if allowed else 0.0) / 3600
                return f"what is left of this week's quota is too short for a session; it starts anew in {hours:.1f} h"
            if not self._mine():
                return LOST_LEASE
            try:
                started = self._start_one(load, wall_s)
            except NotYet as fault:
                return str(fault)
            except RemoteUnavailable as fault:
                self._trouble(self._desk.trials[load.index].label, fault)
                return "the far side is away"
            if started:
                slots -= 1
                left_s = None if left_s is None else left_s - wall_s
        return ""

    def _start_one(self, load: Load, wall_s: float) -> bool:
        """Start a session of a trial; says whether one more slot is in use.

        Raises:
            NotYet: The far side takes no session at all now.
        """
        trial = self._desk.trials[load.index]
        parts = replace(self._desk.parts_of(trial.card), pace=Pace.STEP)
        try:
            execute(parts, request_of_trial(trial, wall_s))
        except InUse as fault:
            self._trouble(trial.label, fault)
        except NotYet:
            if self._flies(trial.lineage_id):
                return True  # another program had started it; it is taken up
            raise
        except RemoteUnavailable:
            raise
        except OrchestratorError as fault:
            self._board.refuse(trial, str(fault))
            self._trouble(trial.label, fault)
        return self._flies(trial.lineage_id)

    def _flies(self, lineage_id: str) -> bool:
        return any(one.stage is not Stage.CLOSED for one in self._desk.ledger.sessions(lineage_id))

    def _allowance(self, parts: Parts) -> Allowance | None:
        desk, budget_h = self._desk, self._desk.campaign.weekly_gpu_hours
        quota = parts.backend.quota() if isinstance(parts.backend, Meters) else None
        spent = 0.0
        if budget_h is not None:
            since, _ = week_of(desk.clock.now(), quota)
            mine = [one for one in desk.ledger.sessions() if one.lineage_id in self._trials]
            spent = spent_s(mine, since)
        return allowance(
            desk.clock.now(),
            quota=quota,
            budget_s=None if budget_h is None else budget_h * 3600,
            spent_s=spent,
            promised_s=promised_s(self._board.live),
        )

    def _past_deadline(self) -> str:
        deadline = self._desk.campaign.stop.deadline
        left_s = seconds_until(self._desk.clock, deadline)
        return f"the deadline {deadline:%Y-%m-%d %H:%M %Z} has passed" if deadline and left_s and left_s <= 0 else ""

    def _mine(self) -> bool:
        if self._desk.lease.holds():
            return True
        if LOST_LEASE not in self._troubles:
            self._troubles.append(LOST_LEASE)
        return False

    def _trouble(self, what: str, fault: OrchestratorError) -> None:
        self._away |= isinstance(fault, RemoteUnavailable) and not isinstance(fault, BadInput)
        self._troubles.append(f"{what}: {fault}" + (f" {fault.remedy}" if fault.remedy else ""))

    def _tell(self, before: dict[str, State], after: tuple[Standing, ...]) -> None:
        for one in after:
            was = before[one.trial.lineage_id]
            if one.state is not was:
                why = f" ({one.why})" if one.why else ""
                self._changes.append(f"{one.trial.label} [{one.trial.name8}]: {was} -> {one.state}{why}")
