"""One session by itself: no checkpoint goes in, nothing is chained to it, whatever it leaves."""

from __future__ import annotations

from orchestrator.core.ledger.events import EventKind
from orchestrator.core.run.request import RunRequest
from orchestrator.kernel.wire import Ticket
from orchestrator.pipeline.context import RunContext
from orchestrator.pipeline.run.history import fresh_run_id, start_run
from orchestrator.pipeline.session.inputs import checkpoint_set, session_spec
from orchestrator.pipeline.session.lifecycle import ClosedSession, Place, finish_session, prepare
from orchestrator.pipeline.session.submit import retry_until_accepted, submit_session


def run_single_session(context: RunContext, request: RunRequest) -> tuple[ClosedSession, Ticket]:
    """Prepare, start and carry one session through the backend, in an empty models directory.

    Raises:
        ValueError: The models directory is not empty.
        RemoteUnavailable: The backend is away.
    """
    with context.models.locked():
        view = context.models.view()
        if view.entries:
            raise ValueError(f"{view.root} is not empty")
        sizes = request.sizes(0)
        run_id = fresh_run_id(context, request)
        start_run(context, request, run_id, 0, 0, sizes.target_steps)
        spec = retry_until_accepted(context, lambda: session_spec(context, request, sizes))
        place = Place(run_id=run_id, session=1, attempt=1)
        push = prepare(context, spec, place, checkpoint_set(context, request.card, view))
        closed = finish_session(context, push.ticket, submit_session(context, push))
        context.record(
            EventKind.RUN_ENDED,
            run_id,
            end_reason=closed.judgement.end_reason.value,
            verdict=None,
            steps_done=closed.steps_in_place,
        )
        return closed, push.ticket
