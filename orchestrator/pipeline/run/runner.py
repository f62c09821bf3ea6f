"""Run a section, or show what a run would do: read a snapshot, decide the next action, carry it out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from orchestrator.core.checkpoint.missing import gone_lines, missing_fault
from orchestrator.core.ledger.records import Stage
from orchestrator.core.run.actions import Action, Adopt, Finish, Missing, Refuse, Start
from orchestrator.core.run.next_action import next_action, when_idle
from orchestrator.core.run.request import RunRequest
from orchestrator.core.run.snapshot import CommandState, missing_steps
from orchestrator.core.run.summary import RunSummary
from orchestrator.core.session.backend_types import Observation, Push
from orchestrator.pipeline.context import RunContext
from orchestrator.pipeline.run.adoption import has_unknown_remembered
from orchestrator.pipeline.run.loop import RunLoop
from orchestrator.pipeline.run.reports import refuse
from orchestrator.pipeline.run.snapshot import read_snapshot
from orchestrator.pipeline.run.starting import prepare_start


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
        return RunLoop(context, continue_interrupted_fresh(context, request), ended).run()


def preview(context: RunContext, request: RunRequest) -> tuple[Action, Start, Push]:
    """What `execute` would do first, and the session that it would start next, with its request. Changes nothing.

    Raises:
        BadInput: As `execute` would.
    """
    request = continue_interrupted_fresh(context, request)
    snapshot = read_snapshot(context, request, CommandState(asked=True), ahead=True)
    first = next_action(snapshot, request)
    if first == Adopt(what=Missing.CHECKPOINTS):
        steps = missing_steps(snapshot) or 0
        if snapshot.inventory.latest is None:
            raise missing_fault(
                snapshot.inventory, section=request.card.section, backend=snapshot.backend, steps=steps, searched=False
            )
        context.warn("checkpoint_gone", *gone_lines(snapshot.inventory, backend=snapshot.backend, steps=steps))
        snapshot = read_snapshot(context, request, CommandState(asked=True, searched=True), ahead=True)
        first = next_action(snapshot, request)
    left = isinstance(first, Finish) and first.in_flight is not None
    if snapshot.remembers and not left and has_unknown_remembered(context, request.card.lineage.id):
        first = Adopt(what=Missing.SESSIONS)
    if isinstance(first, Refuse):
        refuse(context, first)
    start = first if isinstance(first, Start) else when_idle(snapshot, request, despite_end=True)
    if isinstance(start, Refuse):
        refuse(context, start)
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
