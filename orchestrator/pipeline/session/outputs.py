"""Fetch what a session wrote, once, and say what another look may settle."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from orchestrator.core.ledger.records import session_key
from orchestrator.core.session.backend_types import Handle, Observation, Retrieval
from orchestrator.core.session.end_reason import EndReason
from orchestrator.core.session.missing_outputs import MissingFile
from orchestrator.core.session.settling import Open, open_question, undamaged, without_named
from orchestrator.core.session.slug import own_slug
from orchestrator.kernel.session.manifest import Manifest
from orchestrator.kernel.wire import Ticket
from orchestrator.pipeline.context import RunContext

_SURELY_WROTE_S = 1800.0
"""A session that lasted longer has printed a line; a shorter one may have been stopped before its first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """The result of a fetch, and what may still change.

    Attributes:
        observation: The look at the session that the fetch followed.
        faults: What is wrong with the fetched files, those that are only missing excepted.
        lacking: Files that could not be fetched.
        open: What another look may settle, None when nothing is in doubt.
    """

    folder: Path
    observation: Observation
    retrieval: Retrieval
    manifest: Manifest | None
    faults: tuple[str, ...]
    lacking: tuple[MissingFile, ...]
    open: Open | None


def collect_once(context: RunContext, ticket: Ticket, handle: Handle, observation: Observation) -> Collected:
    """Fetch what a session wrote, once.

    Raises:
        RemoteUnavailable: The backend is away.
        StorageFault: The project is not there any more.
    """
    context.require_home()
    folder = context.results.folder(handle.owner, own_slug(handle, ticket))
    if context.backend.capabilities.late_outputs and not observation.gone:  # they are elsewhere: it may take minutes
        context.detail("fetching", f"Fetching the outputs of {handle.slug}")
    context.results.discard_foreign_manifest(folder, ticket.nonce)
    # One that was deleted on the backend has no outputs to ask for; the outputs of an earlier fetch still count.
    retrieval = (
        Retrieval(folder=folder, missing=("every output",))
        if observation.gone
        else context.backend.fetch(handle, folder)
    )
    manifest, faults = context.results.manifest(folder)
    lacking = undamaged(retrieval.files)
    return Collected(
        folder=folder,
        observation=observation,
        retrieval=retrieval,
        manifest=manifest,
        faults=without_named(faults, (one.path for one in lacking)),
        lacking=lacking,
        open=_open_question(context, ticket, observation, retrieval, manifest, faults),
    )


def _open_question(
    context: RunContext,
    ticket: Ticket,
    observation: Observation,
    retrieval: Retrieval,
    manifest: Manifest | None,
    faults: tuple[str, ...],
) -> Open | None:
    if observation.gone or not context.backend.capabilities.late_outputs:
        return None  # nothing more can come, or it came from this computer's own disk
    steps = context.results.incoming(retrieval.folder, ticket).steps if retrieval.missing or manifest is None else 0
    return open_question(
        ticket,
        observation,
        retrieval,
        manifest,
        faults,
        steps_verified=steps,
        silent=retrieval.silent and not _stopped_early(context, ticket, observation),
    )


def _stopped_early(context: RunContext, ticket: Ticket, observation: Observation) -> bool:
    """Whether a session was stopped so early that it may never have written anything.

    No session follows one that was stopped, so that nothing is lost by not waiting for its log.
    """
    record = context.ledger.session(session_key(ticket.run_id, ticket.session, ticket.attempt))
    if record is None:
        return False
    stopped = record.stop_asked_by is not None or observation.reason is EndReason.CANCELLED
    return stopped and (context.clock.now() - record.began_at).total_seconds() <= _SURELY_WROTE_S
