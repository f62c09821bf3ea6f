"""The loop of a run: read a snapshot, decide the next action, carry it out, until the run ends or would wait."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from orchestrator.core.checkpoint.compatibility import worse_grade
from orchestrator.core.checkpoint.inventory import CheckpointInventory
from orchestrator.core.checkpoint.missing import gone_lines, missing_fault
from orchestrator.core.checkpoint.start import StartMode
from orchestrator.core.errors import NotYet
from orchestrator.core.ledger.events import EventKind
from orchestrator.core.ledger.records import SessionRecord, Stage
from orchestrator.core.run.closed_session import ClosedSession
from orchestrator.core.run.next_action import (
    Action,
    Adopt,
    Collect,
    Finish,
    Missing,
    Refuse,
    Start,
    Wait,
    missing_steps,
    next_action,
    run_of,
    when_idle,
)
from orchestrator.core.run.open_run import OpenRun
from orchestrator.core.run.request import RunRequest
from orchestrator.core.run.snapshot import CommandState, Sight, Snapshot
from orchestrator.core.run.summary import DETACHED, ITS_TURN, RunSummary, summary_in_flight
from orchestrator.core.session.backend_types import Bundle, Carrier, Handle, Observation, Push
from orchestrator.core.session.end_reason import REMEDIES, EndReason
from orchestrator.pipeline.context import RunContext
from orchestrator.pipeline.run.adoption import adopt_remembered, require_no_unknown_sessions
from orchestrator.pipeline.run.missing_checkpoints import put_back_missing
from orchestrator.pipeline.run.second_look import look_again
from orchestrator.pipeline.run.snapshot import read_snapshot
from orchestrator.pipeline.run.starting import open_the_run, prepare_start, start_session
from orchestrator.pipeline.run.walk_back import walk_back
from orchestrator.pipeline.session.lifecycle import abandon, close_unrestored, finish_session, wait_for_end
from orchestrator.pipeline.session.submit import confirmed


def execute(
    context: RunContext, request: RunRequest, ended: Mapping[str, Observation] = MappingProxyType({})
) -> RunSummary:
    """Carry a run to its target, or to the reason why it cannot go on.

    Args:
        ended: Key of a session in flight -> the look that just saw its end; it is not looked at again.

    Raises:
        BadInput: Nothing was started and nothing was lost.
        NotYet: The run would wait, and this command does not.
        RemoteUnavailable: The backend is away; the same command goes on later.
    """
    with context.models.locked():
        done = context.models.recover()
        if done:
            context.warn("restore_finished", f"[CHECKPOINT] {done}")
        return _Loop(context, continue_interrupted_fresh(context, request), ended).run()


def preview(context: RunContext, request: RunRequest) -> tuple[Action, Start, Push]:
    """What `execute` would do first, and the session that it would start next, with its request. Changes nothing.

    Raises:
        BadInput: As `execute` would.
    """
    snapshot = read_snapshot(context, request, CommandState(asked=True, searched=False))
    first = next_action(snapshot, request)
    if first == Adopt(what=Missing.CHECKPOINTS):
        steps = missing_steps(snapshot) or 0
        if snapshot.inventory.latest is None:
            raise missing_fault(
                snapshot.inventory, section=request.card.section, backend=snapshot.backend, steps=steps, searched=False
            )
        context.warn("checkpoint_gone", *gone_lines(snapshot.inventory, backend=snapshot.backend, steps=steps))
        snapshot = read_snapshot(context, request, CommandState(asked=True, searched=True))
        first = next_action(snapshot, request)
    if isinstance(first, Refuse):
        _refuse(context, first)
    start = first if isinstance(first, Start) else when_idle(snapshot, request, despite_end=True)
    if isinstance(start, Refuse):
        _refuse(context, start)
    if not isinstance(start, Start):
        raise AssertionError(f"{start} is no session")
    return first, start, prepare_start(context, request, snapshot, start)


def continue_interrupted_fresh(context: RunContext, request: RunRequest) -> RunRequest:
    """A repeated `--fresh` goes on with the fresh start of the interrupted command, if its session is still open.

    "Run the same command again" is the advice after an interrupt, and it must not cancel what it should find.
    """
    if not request.fresh:
        return request
    lineage_id = request.card.lineage.id
    in_flight = {record.run_id for record in context.ledger.sessions(lineage_id) if record.stage is not Stage.CLOSED}
    for record in context.ledger.runs(lineage_id):
        if record.fresh and record.ended_at is None and record.run_id in in_flight:
            context.info(
                "fresh_continued",
                "The fresh start of an interrupted --fresh is under way: this command continues it",
                "To start over once more, empty the models directory.",
            )
            return replace(request, fresh=False)
    return request


def _refuse(context: RunContext, action: Refuse) -> None:
    context.warn("incompatible", *action.lines)
    raise action.fault


class _Loop:
    """One command at work on one lineage, under its lock."""

    def __init__(self, context: RunContext, request: RunRequest, ended: Mapping[str, Observation]) -> None:
        self._context = context
        self._request = request
        self._done = CommandState()
        self._inventory: CheckpointInventory | None = None
        self._bundle: Bundle | None = None
        self._sights = {key: Sight(end=end) for key, end in ended.items()}
        self._snapshot: Snapshot

    def run(self) -> RunSummary:
        """Act until there is a summary."""
        summary: RunSummary | None = None
        while summary is None:
            self._snapshot = self._read()
            summary = self._carry_out(next_action(self._snapshot, self._request))
        return summary

    def _read(self) -> Snapshot:
        key = self._first_open()
        return read_snapshot(
            self._context,
            self._request,
            self._done,
            inventory=self._inventory,
            sight=self._sights.get(key) if key else None,
            bundle=self._bundle,
        )

    def _first_open(self) -> str | None:
        sessions = self._context.ledger.sessions(self._request.card.lineage.id)
        backend = self._context.backend.name
        return next((one.key for one in sessions if one.stage is not Stage.CLOSED and one.backend == backend), None)

    def _carry_out(self, action: Action) -> RunSummary | None:
        """One action; returns the summary where it was the last one."""
        self._inventory, self._bundle = self._snapshot.inventory, self._snapshot.bundle
        match action:
            case Refuse():
                _refuse(self._context, action)
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
        handle = Handle.parse(str(record.handle))
        if self._request.fresh and self._done.run is None:  # it is asked to end, not waited for
            self._sights[record.key] = Sight(handle=handle)
            return
        self._announce_found(record)
        self._sights[record.key] = Sight(handle=handle, end=wait_for_end(self._context, record))
        if self._inventory is not None and not self._context.models.unchanged(self._inventory):
            self._inventory = None  # hours may have passed

    def _announce_found(self, record: SessionRecord) -> None:
        if record.key not in self._done.started:
            self._context.detail(
                "session_found",
                f"Found session {record.slug} of an earlier command: carrying it on to its own target of "
                f"{record.ticket['spec']['target_steps']} steps",
            )

    def _collect(self, action: Collect) -> None:
        context, record, before = self._context, action.record, self._snapshot.inventory
        if action.run is not None:
            self._look_again(record, action.run, action.mode)
        elif action.lost:
            abandon(context, record)
        elif not action.keep:
            self._release(record)
        elif action.end is not None:
            if not context.waits:
                self._announce_found(record)
            self._close(record, finish_session(context, record, action.end, before))

    def _close(self, record: SessionRecord, closed: ClosedSession) -> None:
        """Go on from what a session left."""
        self._inventory, run = closed.inventory, self._done.run
        if run is None:
            self._done = replace(self._done, adopted=closed)
            return
        _report_troubles(self._context, closed)
        self._done = replace(self._done, run=run.after(closed, Carrier(record.carrier)))

    def _look_again(self, record: SessionRecord, run: OpenRun, mode: StartMode) -> None:
        run = self._open(run, mode)
        self._done = replace(self._done, looked_at=self._done.looked_at | {record.key})
        late = look_again(self._context, record, self._snapshot.inventory)
        if late is not None:
            self._inventory = late.inventory
            _report_troubles(self._context, late)
            self._done = replace(self._done, run=run.after(late))

    def _release(self, record: SessionRecord) -> None:
        """Ask a session in flight to end, to start over: its outputs are fetched and not used."""
        context, handle = self._context, Handle.parse(str(record.handle))
        plan = when_idle(self._snapshot, self._request)
        if isinstance(plan, Start):
            prepare_start(context, self._request, self._snapshot, plan)  # what can be refused is refused first
        self._done = replace(self._done, released=True)
        context.backend.cancel(handle)
        if not context.backend.capabilities.can_cancel:
            context.warn(
                "cannot_be_stopped",
                f"{handle} may still be running and cannot be stopped from here; its results will not be used.",
                "Stop it on the service's own page to spare its quota.",
            )
            close_unrestored(context, record)
            return
        context.warn(
            "asked_to_leave",
            f"Asked {record.slug} of an earlier command to end; its outputs are fetched and not used",
        )
        end = wait_for_end(context, record)
        finish_session(context, record, end, self._snapshot.inventory, keep=False)

    def _start(self, action: Start) -> RunSummary | None:
        context, request, snapshot = self._context, self._request, self._snapshot
        if action.walk_back is not None:
            if self._context.waits and self._done.run is None:
                prepare_start(context, request, snapshot, action)
            run = self._open(action.run, action.mode)
            self._inventory = walk_back(context, run.run_id, action.walk_back, self._inventory)
            self._done = replace(self._done, run=run.back_at(self._inventory.steps))
            return None
        push = prepare_start(context, request, snapshot, action)
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
        opened = open_the_run(self._context, self._request, self._snapshot, run, mode)
        self._inventory, self._done = opened.inventory, replace(self._done, run=opened.run)
        return opened.run

    def _finish(self, action: Finish) -> RunSummary:
        if action.run is None:
            if action.in_flight is None:
                raise AssertionError("there is neither a run nor a session")
            record = run_of(self._snapshot.runs, action.in_flight)
            self._context.info("not_asked", *_other_target(self._request, record.target_steps))
            return self._with_files(summary_in_flight(record, action.in_flight))
        run = self._open(action.run, action.mode)
        summary = replace(run.summary, end_reason=action.end)
        if action.problems:
            summary = replace(summary, problems=action.problems)
        if action.end != ITS_TURN:
            self._context.record(
                EventKind.RUN_ENDED,
                run.run_id,
                end_reason=summary.end_reason,
                verdict=summary.verdict,
                steps_done=summary.steps_done,
            )
        return self._with_files(summary)

    def _with_files(self, summary: RunSummary) -> RunSummary:
        inventory = self._inventory or self._snapshot.inventory
        return replace(summary, own_files=inventory.own, archived=inventory.archived)


def _other_target(request: RunRequest, in_flight: int) -> list[str]:
    """Lines where the session in flight has another target than this command."""
    if request.add_steps is not None:
        asked = f"--add-steps {request.add_steps}"
    elif (target := request.target(0)) != in_flight:
        asked = f"the target of {target} steps"
    else:
        return []
    return [
        f"The session in flight goes to {in_flight} steps: {asked} has no effect on it",
        "Give the same command again after it has ended.",
    ]


def _report_troubles(context: RunContext, closed: ClosedSession) -> None:
    """Report what went wrong in a session: problems, its own error, and the remedy."""
    judgement = closed.judgement
    for problem in judgement.problems:
        context.warn("problem", f"Problem: {problem}")
    if judgement.error:
        # Where there was no room, the last line says all: no line of the code is at fault.
        lines = 1 if judgement.end_reason is EndReason.DISK_FULL else 12
        context.warn("session_error", *judgement.error.rstrip().splitlines()[-lines:])
    if judgement.end_reason in REMEDIES:
        context.warn(
            "session_failed",
            f"Session ended: {judgement.end_reason} (log: {closed.results_dir / 'kernel.log'})",
            REMEDIES[judgement.end_reason],
        )
