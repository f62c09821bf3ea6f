"""One tick of a campaign: bring home what has ended, start what fits, tell what changed, leave.

Each step is the very step of `run`, at another pace; a tick that is killed anywhere is a `run` that was killed there.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterator
from dataclasses import replace

from orchestrator.core.campaign.backoff import resting_message
from orchestrator.core.campaign.expansion import Trial
from orchestrator.core.campaign.stop_rules import stopped_by
from orchestrator.core.errors import (
    CheckpointsMissing,
    InUse,
    NotYet,
    OrchestratorError,
    RemoteUnavailable,
    StorageFault,
)
from orchestrator.core.fast_replace import fast_replace
from orchestrator.core.ledger.records import SessionRecord, Stage
from orchestrator.core.reporting.finished_trial import run_command
from orchestrator.core.run.summary import DETACHED
from orchestrator.core.scheduling.forecast import Allowance
from orchestrator.core.scheduling.workload import RemainingWork
from orchestrator.core.search.proposals import Curve
from orchestrator.core.session.time_budget import granted_s
from orchestrator.pipeline.campaign.context import CampaignContext, request_of_trial, seconds_until
from orchestrator.pipeline.campaign.orphans import OrphanFinder
from orchestrator.pipeline.campaign.quota import campaign_allowance
from orchestrator.pipeline.campaign.ready_queue import ReadyQueue
from orchestrator.pipeline.campaign.recover import recover
from orchestrator.pipeline.campaign.status_board import StatusBoard
from orchestrator.pipeline.campaign.tick_report import LOST_LEASE, TickLog, TickReport
from orchestrator.pipeline.context import RunContext
from orchestrator.pipeline.remote_listing import Listing
from orchestrator.pipeline.run.runner import execute
from orchestrator.pipeline.search.pruning import prune_running
from orchestrator.pipeline.session.look import is_overdue, look


class CampaignTicker:
    """Ticks of one campaign by one program; nothing is kept between two that the ledger lacks, but for speed.

    Args:
        context: What the campaign works with. Its lease must have been taken.
        recovering: Whether sessions of what a search proposes anew may exist over there and be unknown here.
    """

    def __init__(self, context: CampaignContext, *, recovering: bool = False) -> None:
        self._recovering = recovering
        self._live_curves: dict[str, Curve] = {}
        self._asked_to_leave: set[str] = set()
        self._refused: dict[str, str] = {}
        self._left: dict[str, Trial] = {}
        self._listing = Listing()
        self._strays = OrphanFinder(context.campaign, context.card_of, context.ledger)
        self._begin(context)
        self._found = TickLog()

    def _begin(self, context: CampaignContext) -> None:
        """With these trials; their places are new, so nothing that goes by them is kept."""
        self._context = context
        self._board = StatusBoard(context, self._refused)
        self._trials = {trial.lineage_id: trial for trial in context.trials}
        self._queue = ReadyQueue(context.campaign)

    def tick(self) -> TickReport:
        """At most one bounded step for each live run, and as many starts as there are slots."""
        self._found = TickLog()
        self._listing.expire()
        self._propose()
        before = self._board.refresh()
        for record in self._in_flight():
            self._look(record)
        while new := self._propose():
            self._look_behind(new)
        waits, stopped = self._start()
        self._propose()
        for what, fault in (
            *self._strays.faults(),
            *(self._context.searching.faults() if self._context.searching else ()),
        ):
            self._found.trouble(what, fault)
        after = self._board.refresh()
        left = len(self._in_flight()) - len(self._board.live)
        return self._found.told(before, after, waits=waits, stopped=stopped, left=left)

    def _propose(self) -> tuple[Trial, ...]:
        """Take up what the searches propose by what is known now; says which trials are new."""
        context, known = self._context, self._trials.keys()
        trials = context.searching.trials() if context.searching else context.trials
        if trials is not context.trials:
            self._refused = self._board.refused
            self._begin(replace(context, trials=trials))
        self._left = {trial.lineage_id: trial for trial in context.searching.left()} if context.searching else {}
        self._left |= {trial.lineage_id: trial for trial in self._strays.flying(ChainMap(self._trials, self._left))}
        return () if trials is context.trials else tuple(one for one in trials if one.lineage_id not in known)

    def _look_behind(self, new: tuple[Trial, ...]) -> None:
        """On an empty computer a proposal is found to have run only once those before it have been brought home."""
        if self._recovering:
            recover(replace(self._context, trials=new))
        self._board.refresh()
        for record in self._board.live:
            if any(record.lineage_id == trial.lineage_id for trial in new):
                self._look(record)

    def _in_flight(self) -> tuple[SessionRecord, ...]:
        """Sessions that are not carried home yet, those of trainings that have left search or file included."""
        if not self._left:
            return self._board.live
        return (
            *self._board.live,
            *(one for one in self._context.ledger.open_sessions() if one.lineage_id in self._left),
        )

    def _holding(self) -> tuple[SessionRecord, ...]:
        """Sessions that hold a slot and hours: those in flight, and what nobody can carry home any more."""
        return (*self._in_flight(), *self._strays.unknown(self._context.clock.now()))

    def _look(self, record: SessionRecord) -> None:
        current = self._context.ledger.session(record.key)
        if current is None or current.stage is Stage.CLOSED:
            return  # carried home together with an earlier session of its lineage
        trial = self._trials.get(record.lineage_id) or self._left[record.lineage_id]
        run_context = fast_replace(self._context.run_context(trial.card), waits=False)
        if run_context.backend.name != record.backend:
            return
        try:
            ended = {}
            # What is overdue is looked at under its directory's lock: its outputs are fetched to see whether it ended.
            if record.stage is Stage.SUBMITTED and record.handle and not is_overdue(run_context, record):
                ended[record.key] = look(run_context, record)
            if self._mine():
                request = request_of_trial(trial, campaign=self._context.campaign.campaign)
                execute(run_context, replace(request, starts=False), ended)
                if record.lineage_id in self._left:
                    self._found.came_home(trial, self._context.ledger.session(record.key))
        except NotYet:
            self._give_up(run_context, trial, record)  # it goes on, unless its search gives it up
        except StorageFault:
            raise  # no other trial could be written down either
        except OrchestratorError as fault:
            self._found.trouble(record.slug, fault)

    def _give_up(self, run_context: RunContext, trial: Trial, record: SessionRecord) -> None:
        """Ask a session to leave whose trial is pruned by what it has told so far. Its checkpoint stays."""
        try:
            searching = self._context.searching
            if searching is None or not prune_running(run_context, searching, trial, record, self._live_curves):
                return
            if record.key not in self._asked_to_leave:
                self._asked_to_leave.add(record.key)
                self._found.changes.append(f"{trial.label} [{trial.name8}]: pruned, its session is asked to leave")
        except OrchestratorError as fault:
            self._found.trouble(record.slug, fault)

    def _start(self) -> tuple[str, str]:
        """Start what fits; says why not more, and by which rule the campaign has stopped."""
        context = self._context
        standings = self._board.refresh()
        stopped = stopped_by(context.campaign, standings) or self._past_deadline()
        first, dues = self._queue.see(standings, context.clock.now())
        slots = context.campaign.concurrency - len(self._holding())
        if stopped or (first is None and not dues):
            return "", stopped
        if slots <= 0:
            return f"all {context.campaign.concurrency} slots are in use", ""
        if first is None:
            return resting_message(dues), ""
        run_context = context.run_context(first.trial.card)
        try:
            allowed = campaign_allowance(context, run_context, ChainMap(self._trials, self._left), self._holding())
        except OrchestratorError as fault:
            self._found.trouble("quota", fault)
            return "the quota could not be asked", ""
        why = self._fill(slots, self._queue.in_order(run_context.backend.capabilities.max_wall_s), allowed)
        return why or resting_message(dues), ""

    def _fill(self, slots: int, queue: Iterator[RemainingWork], allowed: Allowance | None) -> str:
        left_s = allowed.left_s if allowed else None
        for load in queue:
            if slots <= 0:
                return f"all {self._context.campaign.concurrency} slots are in use"
            until_s = seconds_until(self._context.clock, self._context.campaign.stop.deadline)
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
                self._found.trouble(self._context.trials[load.index].label, fault)
                return "the far side is away"
            if started:
                slots -= 1
                left_s = None if left_s is None else left_s - wall_s
        return ""

    def _start_one(self, load: RemainingWork, wall_s: float) -> bool:
        """Start a session of a trial; says whether one more slot is in use.

        Raises:
            NotYet: The far side takes no session at all now.
        """
        context, trial = self._context, self._context.trials[load.index]
        run_context = fast_replace(context.run_context(trial.card), waits=False, listing=self._listing)
        try:
            started = execute(run_context, request_of_trial(trial, wall_s, context.campaign.campaign))
            if context.refusals is not None:
                context.refusals.clear(trial.lineage_id)
            if started.end_reason == DETACHED:
                return True
        except InUse as fault:
            self._found.trouble(trial.label, fault)
        except NotYet:
            if self._flies(trial.lineage_id):
                return True  # another program had started it; it is taken up
            raise
        except (RemoteUnavailable, StorageFault):
            raise
        except OrchestratorError as fault:
            if isinstance(fault, CheckpointsMissing):
                fault.advise(run_command(trial, run_context.backend.name))
            self._board.refuse(trial, str(fault))
            self._found.trouble(trial.label, fault)
            if context.refusals is not None:
                context.refusals.note(trial.lineage_id, f"{fault}. {fault.remedy}".strip())
        return self._flies(trial.lineage_id)

    def _flies(self, lineage_id: str) -> bool:
        return any(one.stage is not Stage.CLOSED for one in self._context.ledger.sessions(lineage_id))

    def _past_deadline(self) -> str:
        deadline = self._context.campaign.stop.deadline
        left_s = seconds_until(self._context.clock, deadline)
        return f"the deadline {deadline:%Y-%m-%d %H:%M %Z} has passed" if deadline and left_s and left_s <= 0 else ""

    def _mine(self) -> bool:
        if self._context.lease.holds():
            return True
        self._found.lost_lease()
        return False
