"""Fetch what an ended session wrote, and look again while another look may settle what this one did not."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from orchestrator.core.errors import NotYet, OrchestratorError, RemoteUnavailable
from orchestrator.core.ledger.events import EventKind
from orchestrator.core.ledger.records import SessionRecord, session_key
from orchestrator.core.run.wait_policy import WaitPolicy
from orchestrator.core.session.backend_types import Handle, Observation, Retrieval, SessionState
from orchestrator.core.session.missing_outputs import MissingFile
from orchestrator.core.session.settling import (
    SHORT_PAUSES_S,
    WAITS,
    Doubt,
    Open,
    open_question,
    undamaged,
    without_named,
)
from orchestrator.kernel.session.manifest import Manifest
from orchestrator.kernel.wire import Ticket
from orchestrator.pipeline.context import RunContext
from orchestrator.pipeline.session.restore import restore_checkpoints_for_next_run
from orchestrator.pipeline.session.watch import watch


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """What a fetch brought, and what may still change.

    Attributes:
        observation: The look at the session that the fetch followed.
        faults: What is wrong with the fetched files, those aside that are only missing.
        lacking: Files that could not be had.
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
    """
    folder = context.results.folder(handle.owner, handle.slug)
    # One that was deleted on the backend has no outputs to ask for; what an earlier fetch brought still counts.
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


def collect(context: RunContext, ticket: Ticket, handle: Handle, observation: Observation, *, brief: bool) -> Collected:
    """Fetch what a session wrote until it can be judged.

    Args:
        observation: The last look at it.
        brief: Whether this command waits for a minute at most.

    Raises:
        NotYet: Another look may settle more, and this command does not wait for it.
        RemoteUnavailable: The backend is away, or cannot give what decides how the run goes on. The session stays
            open, and what verified is in place.
    """
    found = collect_once(context, ticket, handle, observation)
    if context.wait_policy is WaitPolicy.WAIT:
        found = _look_again(context, ticket, handle, found, most_looks=len(SHORT_PAUSES_S) if brief else None)
    if found.open is None:
        return found
    record = context.ledger.session(session_key(ticket.run_id, ticket.session, ticket.attempt))
    waited = context.wait_policy is WaitPolicy.WAIT and not brief
    if record is None or _patience_is_over(context, record, found.open, waited=waited):
        return found
    _defer(context, ticket, record, found, found.open.doubt, waited=waited)
    raise _not_settled(handle, found.open, waited=waited)


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
    return open_question(ticket, observation, retrieval, manifest, faults, steps_verified=steps)


def _look_again(
    context: RunContext, ticket: Ticket, handle: Handle, found: Collected, most_looks: int | None
) -> Collected:
    """Look again after growing pauses, as long as patience with what is open lasts."""
    looks: Counter[Doubt] = Counter()
    while found.open is not None:
        doubt = found.open.doubt
        pauses_s = doubt.pauses_s[:most_looks]
        if looks[doubt] >= len(pauses_s):
            return found
        if not looks[doubt] and len(pauses_s) > len(SHORT_PAUSES_S):
            context.warn(
                "outputs_late",
                f"{handle.slug} has ended, but {found.open.why}: looking again for up to {sum(pauses_s) / 60:.0f} min",
            )
        context.clock.sleep(pauses_s[looks[doubt]])
        looks[doubt] += 1
        found = collect_once(context, ticket, handle, _seen_again(context, handle, found.observation))
    return found


def _seen_again(context: RunContext, handle: Handle, before: Observation) -> Observation:
    """The end as it is seen now; a session that was said to have ended too early is watched on."""
    try:
        seen = context.backend.observe(handle)
    except OrchestratorError as fault:
        if not fault.transient:
            raise
        return before
    if seen.state in (SessionState.RUNNING, SessionState.SAVING) and not before.native.startswith(seen.native):
        context.warn("not_ended", f"{handle.slug} was said to have ended and is {seen.native}: watching it on")
        return watch(context, handle)
    return seen if seen.state is SessionState.ENDED else before


def _patience_is_over(context: RunContext, record: SessionRecord, found: Open, *, waited: bool) -> bool:
    """Whether all looks so far, of this and of earlier commands, are enough.

    Args:
        waited: Whether this command has waited to the end of its own patience.
    """
    if waited and found.doubt is not Doubt.UNANSWERED:
        return True
    known = (record.doubts or {}).get(found.doubt.value)
    if known is None:
        return False
    since, now = datetime.fromisoformat(known["since"]), context.clock.now()
    # A moment that lies ahead says that the clock was set back: what has passed since is not known.
    passed_s = max(0.0, (now - since).total_seconds())
    return passed_s >= found.doubt.patience_s or known["waits"] + waited >= WAITS


def _defer(
    context: RunContext, ticket: Ticket, record: SessionRecord, found: Collected, doubt: Doubt, *, waited: bool
) -> None:
    """Leave the session open, with what verified in place and the moment written down from which patience counts."""
    if context.results.incoming(found.folder, ticket).steps > context.models.view().steps:
        restore_checkpoints_for_next_run(context, ticket, found.folder)
    if waited or doubt.value not in (record.doubts or {}):
        context.record(
            EventKind.SESSION_DEFERRED,
            record.run_id,
            record.key,
            doubt=doubt.value,
            since=context.clock.now().isoformat(),
            waited=waited,
        )
    context.models.discard_archive(found.folder.name)


def _not_settled(handle: Handle, found: Open, *, waited: bool) -> RemoteUnavailable:
    remedy = "The session stays open, and what could be verified is in place; the same command looks again."
    if waited:
        return RemoteUnavailable(f"{handle.slug} has ended, but {found.why}", remedy=remedy)
    return NotYet(f"{handle.slug} has ended, but {found.why}", remedy=remedy)
