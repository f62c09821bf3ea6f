"""Carry out one action after another, until the run ends or would wait."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from orchestrator.core.checkpoint.compatibility import worse_grade
from orchestrator.core.checkpoint.inventory import CheckpointInventory
from orchestrator.core.checkpoint.start import StartMode
from orchestrator.core.errors import NotYet
from orchestrator.core.ledger.events import EventKind
from orchestrator.core.ledger.records import SessionRecord
from orchestrator.core.run.actions import Action, Adopt, Collect, Finish, Missing, Refuse, Start, Wait
from orchestrator.core.run.next_action import next_action, run_of, when_idle
from orchestrator.core.run.open_run import ClosedSession, OpenRun
from orchestrator.core.run.request import RunRequest
from orchestrator.core.run.snapshot import CommandState, Sight, Snapshot
from orchestrator.core.run.summary import DETACHED, ITS_TURN, RunSummary, summary_in_flight
from orchestrator.core.session.backend_types import Bundle, Carrier, Handle, Observation, Push
from orchestrator.pipeline.context import RunContext
from orchestrator.pipeline.run.adoption import adopt_remembered, require_no_unknown_sessions
from orchestrator.pipeline.run.missing_checkpoints import put_back_missing
from orchestrator.pipeline.run.release import release
from orchestrator.pipeline.run.reports import announce_found, other_target_lines, refuse, report_troubles
from orchestrator.pipeline.run.second_look import look_again
from orchestrator.pipeline.run.snapshot import read_snapshot
from orchestrator.pipeline.run.starting import begin_run, end_in_ledger, prepare_start, start_session
from orchestrator.pipeline.run.walk_back import walk_back
from orchestrator.pipeline.session.lifecycle import abandon, finish_session, wait_for_end
from orchestrator.pipeline.session.look import never_began
from orchestrator.pipeline.session.restore import up_to_date
from orchestrator.pipeline.session.submit import confirmed, wait_out


class RunLoop:
    """One command at work on one lineage, under its lock."""

    def __init__(self, context: RunContext, request: RunRequest, ended: Mapping[str, Observation]) -> None:
        self._context = context
        self._request = request
        self._done = CommandState()
        self._inventory: CheckpointInventory | None = None
        self._bundle: Bundle | None = None
        self._sights = {key: Sight(end=end) for key, end in ended.items()}
        self._waited_for = ""
        self._snapshot: Snapshot

    def run(self) -> RunSummary:
        """Act until there is a summary."""
        summary: RunSummary | None = None
        self._snapshot = self._read()
        while summary is None:
            action = next_action(self._snapshot, self._request)
            summary = self._carry_out(action)
            if action == Adopt(what=Missing.SESSIONS) and not self._context.waits:
                self._snapshot = replace(self._snapshot, done=self._done)  # nothing was found, nothing has changed
            elif summary is None:
                self._snapshot = self._read()
        return summary

    def _read(self) -> Snapshot:
        return read_snapshot(
            self._context,
            self._request,
            self._done,
            inventory=self._inventory,
            sights=self._sights,
            bundle=self._bundle,
        )

    def _carry_out(self, action: Action) -> RunSummary | None:
        """One action; returns the summary where it was the last one."""
        self._inventory, self._bundle = self._snapshot.inventory, self._snapshot.bundle
        match action:
            case Refuse():
                refuse(self._context, action)
            case Adopt():
                self._adopt(action)
            case Wait():
                self._wait(action)
            case Collect():
                self._collect(action)
            case Start():
                return self._start(action)
            case Finish():
                return self._finish(action)
        return None

    def _adopt(self, action: Adopt) -> None:
        card, context = self._request.card, self._context
        if action.what is Missing.CHECKPOINTS:
            self._inventory = put_back_missing(
                context,
                card,
                self._snapshot.inventory,
                beyond_ledger=self._request.starts and not context.waits,
            )
            self._done = replace(self._done, searched=True)
            return
        if context.waits:
            adopt_remembered(context, card.lineage.id)
        else:
            require_no_unknown_sessions(context, card.section, card.lineage.id)
        self._done = replace(self._done, asked=True)

    def _wait(self, action: Wait) -> None:
        if not self._context.waits:
            raise NotYet(action.why)
        record = confirmed(self._context, action.record)
        if record is None:
            self._sights[action.record.key] = Sight(lost=True)
            return
        if action.record.handle is None and self._request.detach:
            return  # now it is known to be in flight
        handle = Handle.parse(str(record.handle))
        if self._request.fresh and self._done.run is None:  # it is asked to end, not waited for
            self._sights[record.key] = Sight(handle=handle)
            return
        if record.key not in self._done.started:
            announce_found(self._context, record)
        self._sights[record.key] = Sight(handle=handle, end=wait_for_end(self._context, record))
        self._read_again()

    def _read_again(self) -> None:
        """Hours may have passed: the code is packed again, and the checkpoints are surveyed again if a file changed."""
        self._bundle = None
        if self._inventory is not None:
            self._inventory = up_to_date(self._context, self._inventory)

    def _collect(self, action: Collect) -> None:
        context, record, before = self._context, action.record, self._snapshot.inventory
        self._sights.pop(record.key, None)  # a session that was never started is started again under its key
        if action.run is not None:
            self._look_again(record, action.run, action.mode)
        elif action.lost or (action.end is not None and action.keep and never_began(context, record)):
            abandon(context, record)
        elif not action.keep:
            self._release(record)
        elif action.end is not None:
            if not context.waits:
                announce_found(context, record)
            self._close(record, finish_session(context, record, action.end, before))
        else:
            raise AssertionError(f"{record.key} has no end")

    def _close(self, record: SessionRecord, closed: ClosedSession) -> None:
        """Go on from what a session left."""
        self._inventory, run = closed.inventory, self._done.run
        if run is None:
            self._done = replace(self._done, adopted=closed)
            return
        report_troubles(self._context, closed)
        self._done = replace(self._done, run=run.after(closed, Carrier(record.carrier)))

    def _look_again(self, record: SessionRecord, run: OpenRun, mode: StartMode) -> None:
        looked = replace(self._done, looked_at=self._done.looked_at | {record.key})
        plan = when_idle(replace(self._snapshot, done=looked), self._request)
        if self._context.waits and isinstance(plan, Start) and self._prepared(plan) is None:
            return  # what can be refused is refused before the run is opened
        run = self._open(run, mode)
        self._done = replace(self._done, looked_at=looked.looked_at)
        late = look_again(self._context, record, self._inventory or self._snapshot.inventory)
        self._read_again()
        if late is not None:
            self._inventory = late.inventory
            report_troubles(self._context, late)
            self._done = replace(self._done, run=run.after(late))

    def _release(self, record: SessionRecord) -> None:
        plan = when_idle(self._snapshot, self._request)
        if isinstance(plan, Start) and self._prepared(plan) is None:
            return  # what can be refused is refused first
        self._done = replace(self._done, released=True)
        release(self._context, record, self._snapshot.inventory)
        self._read_again()

    def _prepared(self, start: Start) -> Push | None:
        """The request of a session; None after a wait for the quota, since everything may have changed meanwhile."""
        try:
            return prepare_start(self._context, self._request, self._snapshot, start)
        except NotYet as fault:
            if not self._context.waits:
                raise
            self._waited_for = wait_out(self._context, fault, self._waited_for)
            self._read_again()
            return None

    def _start(self, action: Start) -> RunSummary | None:
        context, request, snapshot = self._context, self._request, self._snapshot
        if action.walk_back is not None:
            if self._context.waits and self._done.run is None and self._prepared(action) is None:
                return None
            run = self._open(action.run, action.mode)
            self._inventory = walk_back(context, run.run_id, action.walk_back, self._inventory)
            self._done = replace(self._done, run=run.back_at(self._inventory.steps))
            return None
        push = self._prepared(action)
        if push is None:
            return None
        run = self._open(action.run, action.mode)
        push, handle = start_session(context, request, snapshot, replace(action, run=run), push)
        if action.comparison is not None:
            grade = worse_grade(run.summary.expected_grade, action.comparison.grade.word)
            run = replace(run, summary=replace(run.summary, expected_grade=grade))
        if request.detach or not context.waits:
            return self._with_files(replace(run.summary, end_reason=DETACHED, handle=str(handle)))
        place = replace(action.place, session=push.ticket.session)
        record = next(one for one in context.ledger.sessions(run.summary.lineage_id) if one.nonce == push.ticket.nonce)
        self._done = replace(self._done, run=replace(run, last=place), started=self._done.started | {record.key})
        self._bundle = None  # the code may be edited while the session runs
        return None

    def _open(self, run: OpenRun, mode: StartMode) -> OpenRun:
        opened = begin_run(self._context, self._request, self._snapshot, run, mode)
        self._inventory, self._done = opened.inventory, replace(self._done, run=opened.run)
        return opened.run

    def _finish(self, action: Finish) -> RunSummary:
        if action.run is None:
            if action.in_flight is None:
                raise AssertionError("there is neither a run nor a session")
            record = run_of(self._snapshot.runs, action.in_flight)
            self._context.info("not_asked", *other_target_lines(self._request, record.target_steps))
            return self._with_files(summary_in_flight(record, action.in_flight))
        run = self._open(action.run, action.mode)
        summary = replace(run.summary, end_reason=action.end)
        if action.problems:
            summary = replace(summary, problems=action.problems)
        if action.end != ITS_TURN:
            self._context.record(
                EventKind.RUN_ENDED,
                run.run_id,
                end_reason=end_in_ledger(self._context, run, summary.end_reason),
                verdict=summary.verdict,
                no_claim=summary.no_claim,
                steps_done=summary.steps_done,
            )
        return self._with_files(summary)

    def _with_files(self, summary: RunSummary) -> RunSummary:
        inventory = self._inventory or self._snapshot.inventory
        adopted = inventory.latest.adopted if inventory.latest else None
        return replace(summary, own_files=inventory.own, archived=inventory.archived, adopted=adopted)
