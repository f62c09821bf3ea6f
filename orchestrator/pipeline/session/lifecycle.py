"""One session: prepare it, carry it from the submit to the restore. Each step is one event in the ledger."""

from __future__ import annotations

import functools
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from orchestrator.core.checkpoint.transport import choose_carrier, inline_bytes
from orchestrator.core.ledger.events import EventKind
from orchestrator.core.ledger.records import SessionRecord, Stage, session_key
from orchestrator.core.run.wait_policy import WaitPolicy
from orchestrator.core.session.backend_types import Carrier, CheckpointSet, Handle, Observation, Push
from orchestrator.core.session.end_reason import EndReason
from orchestrator.core.session.judgement import Judgement, judge
from orchestrator.core.session.script import guard_size, render_kernel
from orchestrator.core.session.slug import session_slug
from orchestrator.core.session.spec import SessionSpec, write_ticket
from orchestrator.kernel.wire import Ticket
from orchestrator.pipeline.context import RunContext
from orchestrator.pipeline.session.collect import Collected, collect, collect_once
from orchestrator.pipeline.session.overdue import Overdue
from orchestrator.pipeline.session.poll import gone_if_name_reused, poll_once
from orchestrator.pipeline.session.restore import restore_checkpoints_for_next_run
from orchestrator.pipeline.session.secrets_gate import require_no_secrets
from orchestrator.pipeline.session.watch import watch


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosedSession:
    """A session carried to its end."""

    judgement: Judgement
    results_dir: Path
    restored: tuple[str, ...]
    steps_in_place: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A session's place in its run: which run, which session, which attempt."""

    run_id: str
    session: int
    attempt: int


def prepare(
    context: RunContext, spec: SessionSpec, place: Place, checkpoints: CheckpointSet, failed: Collection[Carrier] = ()
) -> Push:
    """Build the whole request and prove it. Nothing is sent or written.

    Args:
        failed: Carriers with which this session was tried before and its checkpoints did not arrive.

    Raises:
        BadInput: The code, the template or the sizes are not fit to be sent, or something in them is a secret.
    """
    bundle = context.code.bundle()
    ticket = write_ticket(
        spec,
        run_id=place.run_id,
        session=place.session,
        attempt=place.attempt,
        nonce=context.draw_token(),
        bundle_digest=bundle.digest,
        inputs=checkpoints.entries,
    )
    render = functools.partial(
        render_kernel,
        context.code.template(),
        ticket=ticket,
        bundle=bundle,
        title=spec.card.title,
        version=context.version,
    )
    plain_script, limits = render(), context.backend.capabilities
    room_bytes = limits.max_script_bytes - len(plain_script.encode("utf-8"))
    carrier = choose_carrier(
        checkpoints,
        offered=limits.carriers,
        failed=failed,
        fits_inline=inline_bytes(checkpoints.size_bytes, len(checkpoints.entries)) <= room_bytes,
    )
    inline = carrier is Carrier.INLINE
    script = render(inline_archive=context.models.packed(checkpoints.entries)) if inline else plain_script
    guard_size(script, limits.max_script_bytes)
    slug = session_slug(spec.card.section, spec.lineage.id, place.session, place.attempt)
    push = context.backend.prepare(ticket, script, checkpoints, slug, carrier)
    require_no_secrets(context, push, plain_script, spec.card.title)
    return push


def finish_session(
    context: RunContext,
    ticket: Ticket,
    handle: Handle,
    *,
    restore: bool = True,
    ended: Observation | None = None,
    found: Collected | None = None,
    brief: bool = False,
) -> ClosedSession:
    """Watch a submitted session to its end and collect what it made. Repeatable after a crash anywhere.

    Args:
        restore: Whether its checkpoints may be put in place; False when the user starts over.
        ended: The look that just saw its end, None where nothing has looked.
        found: What a fetch has just brought, None to fetch it now.
        brief: Whether to wait for late outputs for a minute at most.

    Raises:
        NotYet: It goes on, or another look may settle more, and this command does not wait.
        RemoteUnavailable: The backend is away, or cannot give what decides how the run goes on.
    """
    key = session_key(ticket.run_id, ticket.session, ticket.attempt)
    observation = found.observation if found else ended or _end_of(context, key, handle)
    context.record(
        EventKind.SESSION_ENDED,
        ticket.run_id,
        key,
        native=observation.native,
        exit_code=observation.exit_code,
        reason=observation.reason,
    )
    if found is None and restore:
        found = collect(context, ticket, handle, observation, brief=brief)
    folder, judgement = retrieve_and_analyze_logs(context, ticket, handle, observation, found)
    # After every ending, whatever it was: a verified checkpoint that was fetched is worth its GPU hours.
    restored = restore_checkpoints_for_next_run(context, ticket, folder) if restore else ()
    steps_in_place = context.models.view().steps
    context.record(
        EventKind.SESSION_CLOSED,
        ticket.run_id,
        key,
        restored=restored,
        models_steps=steps_in_place,
        wall_s=judgement.wall_s,
        trained_steps=judgement.trained_steps,
        end_reason=judgement.end_reason.value,
        ended_at=judgement.ended_at or _believed_end(context, key),
    )
    context.models.discard_archive(folder.name)
    return ClosedSession(judgement=judgement, results_dir=folder, restored=restored, steps_in_place=steps_in_place)


def _believed_end(context: RunContext, key: str) -> str | None:
    """When a session without an account ended: now if it was pushed from here, else the earliest that it can be.

    Every empty copy closes such a session anew, so that "now" would let it rest for ever.
    """
    record = context.ledger.session(key)
    return record.begun_at if record is not None and record.recovered else context.clock.now().isoformat()


def _end_of(context: RunContext, key: str, handle: Handle) -> Observation:
    """How a session ended, waiting for it or not.

    Raises:
        NotYet: It goes on, and this command does not stay.
    """
    record = context.ledger.session(key)
    if record is None:
        raise ValueError(f"session {key} is not in the ledger")
    if context.wait_policy is WaitPolicy.WAIT:
        return watch(context, handle, Overdue(context, record, handle).end_of)
    return gone_if_name_reused(context, record, poll_once(context, record, handle))


def retrieve_and_analyze_logs(
    context: RunContext, ticket: Ticket, handle: Handle, observation: Observation, found: Collected | None = None
) -> tuple[Path, Judgement]:
    """Fetch what a session wrote and judge it. Repeatable; nothing of an earlier fetch is mixed in.

    Args:
        ticket: What was pushed.
        handle: The submitted session.
        observation: The last look at it.
        found: What a fetch has just brought, None to fetch it now.

    Returns:
        The results folder, and what became of the session.
    """
    key = session_key(ticket.run_id, ticket.session, ticket.attempt)
    found = found or collect_once(context, ticket, handle, observation)
    folder = found.folder
    fetched = context.event(
        EventKind.SESSION_FETCHED, ticket.run_id, key, results_dir=folder.as_posix(), missing=found.retrieval.missing
    )
    judgement = judge(ticket, found.observation, found.manifest, found.faults, tuple(map(str, found.lacking)))
    judged = context.event(
        EventKind.SESSION_JUDGED,
        ticket.run_id,
        key,
        end_reason=judgement.end_reason.value,
        exit_code=judgement.exit_code,
        verdict=judgement.verdict.value if judgement.verdict else None,
        steps_start=judgement.steps_start,
        steps_done=judgement.steps_done,
        resume_grade=judgement.resume_grade,
        resume_reasons=judgement.resume_reasons,
        problems=judgement.problems,
        lacking=tuple(one.path for one in found.lacking),
        score=judgement.score,
        numbers=judgement.numbers,
        curve=() if judgement.end_reason is EndReason.STALE_RESULTS else context.results.evaluations(folder),
        started_at=judgement.started_at,
        ended_at=judgement.ended_at,
    )
    context.ledger.record(fetched, judged)
    return folder, judgement


def abandon(context: RunContext, record: SessionRecord, why: str = "") -> None:
    """Close a session that was planned and never came into being.

    Args:
        why: The words with which it was refused for now; empty when its push was lost.
    """
    half_done = record.stage is Stage.JUDGED and record.end_reason == EndReason.NEVER_SUBMITTED
    if record.stage is not Stage.PLANNED and not half_done:
        raise ValueError(f"{record.key} is {record.stage}, not planned")
    if not half_done:  # else this program was killed between the two events
        context.record(
            EventKind.SESSION_JUDGED,
            record.run_id,
            record.key,
            end_reason=EndReason.NEVER_SUBMITTED.value,
            exit_code=None,
            verdict=None,
            steps_start=None,
            steps_done=None,
            resume_grade=None,
            problems=(why,) if why else (),
        )
    close_unrestored(context, record, unsubmitted=True)


def close_unrestored(context: RunContext, record: SessionRecord, *, unsubmitted: bool = False) -> None:
    """Close a session whose checkpoints must not be put in place."""
    context.record(
        EventKind.SESSION_CLOSED,
        record.run_id,
        record.key,
        restored=(),
        models_steps=context.models.view().steps,
        unsubmitted=unsubmitted,
    )
