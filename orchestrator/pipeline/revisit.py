"""Coming back to sessions from any shell, any time: the run that goes on, what has ended, what was said."""

from __future__ import annotations

from collections.abc import Iterator

from kernel_templates.kernel_runtime.wire import Ticket
from orchestrator.core.errors import BadInput
from orchestrator.core.exchange import Handle
from orchestrator.core.records import RunRecord, SessionRecord
from orchestrator.core.requests import RunRequest
from orchestrator.core.sections import SectionCard
from orchestrator.pipeline.missing_models import put_back_missing
from orchestrator.pipeline.opening import open_sessions
from orchestrator.pipeline.parts import Parts
from orchestrator.pipeline.session import ClosedSession, carry, retrieve_and_analyze_logs


def request_of(card: SectionCard, record: RunRecord) -> RunRequest:
    """The request that goes on with a run: its own profile and target."""
    return RunRequest(card=card, profile=record.profile, target_steps=record.target_steps)


def fetch_ended(parts: Parts, card: SectionCard) -> list[ClosedSession]:
    """Bring home every session that has ended, without waiting for one that has not.

    Without any in flight the latest one is fetched again; what is in place is then left alone.
    """
    closed: list[ClosedSession] = []
    with parts.models.locked():
        parts.models.recover()
        put_back_missing(parts, card)
        waiting = [record for record in open_sessions(parts, card.lineage.id) if record.handle]
        for record in waiting:
            handle = Handle.parse(str(record.handle))
            observation = parts.backend.observe(handle)
            if observation.state.terminal:
                closed.append(carry(parts, Ticket.from_json(record.ticket), handle))
            else:
                parts.narrator.say(f"{record.slug}: {observation.native}, not fetched yet")
        if not waiting:
            _fetch_again(parts, latest_session(parts, card))
    return closed


def log_of(parts: Parts, card: SectionCard) -> Iterator[str]:
    """The log of the latest session, from its beginning, live while it runs."""
    handle = Handle.parse(str(latest_session(parts, card).handle))
    for line, _ in parts.backend.follow(handle, 0):
        yield line


def latest_session(parts: Parts, card: SectionCard) -> SessionRecord:
    """The session submitted last on this backend.

    Raises:
        BadInput: There is none.
    """
    for record in reversed(parts.ledger.sessions(card.lineage.id)):
        if record.handle and record.backend == parts.backend.name:
            return record
    raise BadInput(
        f"no session of {card.section} was submitted on {parts.backend.name}",
        remedy=f"Start one with `python -m orchestrator run {card.section}`.",
    )


def _fetch_again(parts: Parts, record: SessionRecord) -> None:
    handle = Handle.parse(str(record.handle))
    observation = parts.backend.observe(handle)
    folder, judgement = retrieve_and_analyze_logs(parts, Ticket.from_json(record.ticket), handle, observation)
    parts.narrator.say(f"{record.slug}: {judgement.end_reason}, fetched into {folder}")
