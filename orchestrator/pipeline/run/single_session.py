"""One session by itself: no checkpoint goes in, and no session follows, whatever it leaves."""

from __future__ import annotations

from orchestrator.core.checkpoint.start import StartMode
from orchestrator.core.ledger.events import EventKind
from orchestrator.core.run.actions import Start
from orchestrator.core.run.next_action import when_idle
from orchestrator.core.run.open_run import ClosedSession
from orchestrator.core.run.request import RunRequest
from orchestrator.core.run.snapshot import CommandState
from orchestrator.kernel.wire import Ticket
from orchestrator.pipeline.context import RunContext
from orchestrator.pipeline.run.snapshot import read_snapshot
from orchestrator.pipeline.run.starting import begin_run, start_session, wait_and_prepare
from orchestrator.pipeline.session.lifecycle import finish_session, wait_for_end


def run_single_session(context: RunContext, request: RunRequest) -> tuple[ClosedSession, Ticket]:
    """Prepare, start and close one session, in an empty models directory.

    Raises:
        ValueError: The models directory is not empty.
        RemoteUnavailable: The backend is away.
    """
    with context.models.locked():
        snapshot = read_snapshot(context, request, CommandState())
        start = when_idle(snapshot, request)
        if not isinstance(start, Start) or snapshot.inventory.entries:
            raise ValueError(f"{snapshot.inventory.root} is not empty")
        push = wait_and_prepare(context, request, snapshot, start)
        opened = begin_run(context, request, snapshot, start.run, StartMode.CONTINUE)
        push, _ = start_session(context, request, snapshot, start, push)
        record = next(one for one in context.ledger.sessions(push.ticket.lineage_id) if one.nonce == push.ticket.nonce)
        closed = finish_session(context, record, wait_for_end(context, record), opened.inventory)
        context.record(
            EventKind.RUN_ENDED,
            start.run.run_id,
            end_reason=closed.judgement.end_reason.value,
            verdict=None,
            steps_done=closed.steps_in_place,
        )
        return closed, push.ticket
