"""Before a further session is pushed: whether the last one, closed without an account, has left one after all."""

from __future__ import annotations

from orchestrator.core.errors import NotYet
from orchestrator.core.ledger.records import SessionRecord, Stage
from orchestrator.core.run.wait_policy import WaitPolicy
from orchestrator.core.session.backend_types import Handle, Observation, SessionState
from orchestrator.core.session.end_reason import EndReason
from orchestrator.core.session.settling import checkpoint_paths, is_own
from orchestrator.kernel.wire import Ticket
from orchestrator.pipeline.context import RunContext
from orchestrator.pipeline.session.collect import Collected, collect_once
from orchestrator.pipeline.session.lifecycle import ClosedSession, finish_session
from orchestrator.pipeline.session.overdue import is_overdue

_WITHOUT_ACCOUNT = frozenset(
    {EndReason.CRASHED, EndReason.WALL_LIMIT, EndReason.CANCELLED, EndReason.STALE_RESULTS},
)


def second_look(context: RunContext, lineage_id: str, run_id: str, looked_at: set[str]) -> ClosedSession | None:
    """Look once more at the latest session of a lineage if another look may settle how it ended.

    Args:
        run_id: The run that would push the next session.
        looked_at: Keys of sessions that this command has looked at already; kept up to date.

    Returns:
        The session, carried to the end that it has now; None where nothing has changed.

    Raises:
        NotYet: It is alive after all, and this command does not wait for it.
        RemoteUnavailable: The backend is away: to push without this look could train again what is there.
    """
    record = _latest(context, lineage_id)
    if record is None or record.key in looked_at or not context.backend.capabilities.late_outputs:
        return None
    looked_at.add(record.key)
    if not is_unsettled(record) or _left_behind(context, record, run_id):
        return None
    return reopened(context, record)


def is_unsettled(record: SessionRecord) -> bool:
    """Whether a closed session left no account of its own, or a checkpoint that could not be had."""
    if record.stage is not Stage.CLOSED or record.handle is None or record.never_submitted or record.gone:
        return False
    no_account = record.end_reason in _WITHOUT_ACCOUNT and record.started_at is None
    return no_account or bool(checkpoint_paths(Ticket.from_json(record.ticket), record.lacking))


def reopened(context: RunContext, record: SessionRecord) -> ClosedSession | None:
    """Fetch a closed session again; carry it to the end that it has now, None where that is the same.

    Raises:
        NotYet: It is alive after all, and this command does not wait for it.
        RemoteUnavailable: The backend is away.
    """
    handle, ticket = Handle.parse(str(record.handle)), Ticket.from_json(record.ticket)
    observation = context.backend.observe(handle)
    if observation.state is SessionState.ABSENT:
        return None  # deleted since; what an earlier fetch brought was judged
    if not observation.state.terminal and is_overdue(context, record):
        # It was closed by what it had left: a word that is stuck is nothing to watch.
        observation = Observation(state=SessionState.ENDED, native=observation.native, reason=EndReason.WALL_LIMIT)
    if not observation.state.terminal:
        if context.wait_policy is not WaitPolicy.WAIT:
            raise NotYet(f"{record.slug} is {observation.native} although it was closed")
        context.warn("not_ended", f"{record.slug} was closed and is {observation.native}: watching it on")
        return finish_session(context, ticket, handle)
    found = collect_once(context, ticket, handle, observation)
    if not _settles_more(context, record, ticket, found):
        return None
    context.info("outputs_arrived", f"{record.slug} was closed as {record.end_reason}; its outputs are there now")
    return finish_session(context, ticket, handle, found=found)


def _settles_more(context: RunContext, record: SessionRecord, ticket: Ticket, found: Collected) -> bool:
    account = found.manifest is not None and is_own(ticket, found.manifest) and record.started_at is None
    return account or context.results.incoming(found.folder, ticket).steps > context.models.view().steps


def _left_behind(context: RunContext, record: SessionRecord, run_id: str) -> bool:
    """Whether the user has started over since: by `--fresh`, or by emptying the models directory."""
    if context.models.view().steps < (record.models_steps or 0):
        return True
    runs = [run for run in context.ledger.runs(record.lineage_id) if run.fresh]
    return record.run_id != run_id and any(run.started_at > record.planned_at for run in runs)


def _latest(context: RunContext, lineage_id: str) -> SessionRecord | None:
    for record in reversed(context.ledger.sessions(lineage_id)):
        if record.handle is not None and record.backend == context.backend.name and not record.never_submitted:
            return record
    return None
