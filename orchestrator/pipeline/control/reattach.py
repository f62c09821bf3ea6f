"""Come back to sessions from any shell, at any time: continue a run, fetch what has ended, show a log."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.core.checkpoint.inventory import CheckpointInventory
from orchestrator.core.errors import BadInput, NotYet, RemoteUnavailable
from orchestrator.core.ledger.records import RunRecord, SessionRecord
from orchestrator.core.run.next_action import is_unsettled
from orchestrator.core.run.open_run import ClosedSession
from orchestrator.core.run.request import RunRequest
from orchestrator.core.run.snapshot import open_sessions
from orchestrator.core.section.card import SectionCard
from orchestrator.core.session.backend_types import Handle
from orchestrator.core.session.settling import Doubt
from orchestrator.kernel.wire import Ticket
from orchestrator.pipeline.context import RunContext
from orchestrator.pipeline.run.missing_checkpoints import put_back_missing
from orchestrator.pipeline.run.second_look import look_again
from orchestrator.pipeline.session.lifecycle import abandon, finish_session, retrieve_and_analyze_logs
from orchestrator.pipeline.session.look import EndCheck, never_began
from orchestrator.pipeline.session.outputs import collect_once


def request_of(card: SectionCard, record: RunRecord) -> RunRequest:
    """The request that goes on with a run: its own profile and target."""
    return RunRequest(card=card, profile=record.profile, target_steps=record.target_steps)


def fetch_ended(context: RunContext, card: SectionCard) -> list[ClosedSession]:
    """Fetch every session that has ended, without waiting for one that has not.

    Without any in flight the latest one is fetched again. If it was closed without an account, or without its newest
    checkpoint, and has them now, it is carried to the end that it has now; else what is in place is left alone.

    Raises:
        RemoteUnavailable: A session has ended, and another look may bring more of its outputs; it stays open.
    """
    closed: list[ClosedSession] = []
    unsettled: RemoteUnavailable | None = None
    with context.models.locked():
        context.models.recover()
        inventory = put_back_missing(context, card, context.models.view())
        sessions = open_sessions(context.ledger.sessions(card.lineage.id), context.backend.name)
        waiting = [record for record in sessions if record.handle]
        for record in waiting:
            handle = Handle.parse(str(record.handle))
            observation = context.backend.observe(handle)
            end = EndCheck(context, record, handle).end_of(observation)
            if end is None:
                context.info("not_fetched_yet", f"{record.slug}: {observation.native}, not fetched yet")
                continue
            if never_began(context, record):
                abandon(context, record)
                context.info("never_began", f"{record.slug} never began: the next `run` starts it again")
                continue
            try:
                closed.append(finish_session(context, record, end, inventory, brief=True))
                inventory = closed[-1].inventory
            except NotYet as fault:
                context.warn("unsettled", str(fault))
                unsettled = fault
        if not waiting:
            closed += _fetch_again(context, latest_session(context, card), inventory)
    if unsettled is not None:
        raise unsettled
    return closed


def log_of(context: RunContext, card: SectionCard) -> Iterator[str]:
    """The log of the latest session, from its beginning, live while it runs."""
    handle = Handle.parse(str(latest_session(context, card).handle))
    for line, _ in context.backend.follow(handle, 0):
        yield line


def latest_session(context: RunContext, card: SectionCard) -> SessionRecord:
    """The session submitted last on this backend.

    Raises:
        BadInput: There is none.
    """
    for record in reversed(context.ledger.sessions(card.lineage.id)):
        if record.handle and record.backend == context.backend.name:
            return record
    raise BadInput(
        f"no session of {card.section} was submitted on {context.backend.name}",
        remedy=f"Start one with `python -m orchestrator run {card.section}`.",
    )


def _fetch_again(context: RunContext, record: SessionRecord, inventory: CheckpointInventory) -> list[ClosedSession]:
    if is_unsettled(record) and context.backend.capabilities.late_outputs:
        late = look_again(context, record, inventory)
        if late is None:
            context.info(
                "as_before", f"{record.slug}: {record.end_reason} as before, fetched into {record.results_dir}"
            )
        return [late] if late is not None else []
    handle, ticket = Handle.parse(str(record.handle)), Ticket.from_json(record.ticket)
    found = collect_once(context, ticket, handle, context.backend.observe(handle))
    if found.open is not None and found.open.doubt is not Doubt.FILES:
        # What was judged from whole outputs is not judged again from others.
        context.warn("unsettled", f"{record.slug}: stays {record.end_reason}; this time {found.open.why}")
        return []
    folder, judgement = retrieve_and_analyze_logs(context, ticket, handle, found.observation, found)
    context.info("fetched", f"{record.slug}: {judgement.end_reason}, fetched into {folder}")
    return []
