"""One session: prepare it, wait for its end, collect it. Each step is one event in the ledger."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from orchestrator.core.checkpoint.inventory import CheckpointInventory
from orchestrator.core.checkpoint.start import choose_carrier, inline_bytes
from orchestrator.core.ledger.events import EventKind
from orchestrator.core.ledger.records import SessionRecord, Stage, session_key
from orchestrator.core.run.open_run import ClosedSession
from orchestrator.core.session.backend_types import Bundle, Carrier, CheckpointSet, Handle, Observation, Push
from orchestrator.core.session.end_reason import EndReason
from orchestrator.core.session.judgement import Judgement, as_asked, judge
from orchestrator.core.session.machine import Machine
from orchestrator.core.session.script import guard_size, most_bytes, render_kernel, without_inline
from orchestrator.core.session.slug import Place, session_slug
from orchestrator.core.session.spec import SessionSpec, write_ticket
from orchestrator.kernel.wire import Ticket
from orchestrator.pipeline.context import RunContext
from orchestrator.pipeline.session.collect import collect
from orchestrator.pipeline.session.look import EndCheck, look
from orchestrator.pipeline.session.machine import keep_machine, machine_of_ended
from orchestrator.pipeline.session.outputs import Collected, collect_once
from orchestrator.pipeline.session.restore import restore, up_to_date
from orchestrator.pipeline.session.secrets_gate import require_no_secrets
from orchestrator.pipeline.session.stop import note_session_id
from orchestrator.pipeline.session.watch import watch


def prepare(
    context: RunContext,
    spec: SessionSpec,
    place: Place,
    checkpoints: CheckpointSet,
    bundle: Bundle,
    failed: Collection[Carrier] = (),
    machine: Machine | None = None,
) -> Push:
    """Build the whole request and prove it. Nothing is sent or written.

    Args:
        bundle: The code.
        failed: Carriers with which this session was tried before and its checkpoints did not arrive.
        machine: Of the session that saved the checkpoints; None for the backend's present one.

    Raises:
        BadInput: The code, the template or the sizes cannot be sent, or something in them is a secret.
    """
    ticket = write_ticket(
        spec,
        run_id=place.run_id,
        session=place.session,
        attempt=place.attempt,
        nonce=context.draw_token(),
        bundle_digest=bundle.digest,
        inputs=checkpoints.entries,
        proven=context.proven(spec.card, bundle.digest),
    )
    template, limits = context.code.template(), context.backend.capabilities
    script_bytes = most_bytes(template, ticket=ticket, bundle=bundle, title=spec.card.title)
    checkpoint_bytes = inline_bytes(checkpoints.size_bytes, len(checkpoints.entries))
    carrier = choose_carrier(
        checkpoints,
        offered=limits.carriers,
        failed=failed,
        fits_inline=script_bytes + checkpoint_bytes * context.places <= limits.max_script_bytes,
    )
    archive = context.models.packed(checkpoints.entries) if carrier is Carrier.INLINE else None
    script = render_kernel(
        template, ticket=ticket, bundle=bundle, title=spec.card.title, version=context.version, inline_archive=archive
    )
    guard_size(script, limits.max_script_bytes)
    slug = session_slug(spec.card.section, spec.lineage.id, place.session, place.attempt)
    push = context.backend.prepare(ticket, script, checkpoints, slug, carrier)
    push = replace(push, libraries=bundle.libraries)
    if machine is not None:
        push = keep_machine(context, push, machine)
    require_no_secrets(context, push, without_inline(script, archive), spec.card.title)
    return push


def wait_for_end(context: RunContext, record: SessionRecord) -> Observation:
    """How a submitted session ended: waits for it, or looks once.

    Raises:
        NotYet: It goes on, and this command does not wait.
        RemoteUnavailable: The backend could not be asked for half an hour.
    """
    if not context.waits:
        return look(context, record)
    handle = Handle.parse(str(record.handle))
    check = EndCheck(context, record, handle)
    return watch(
        context,
        handle,
        check.end_of,
        unseen=check.end_unseen,
        opened=lambda session_id: note_session_id(context, record, session_id),
    )


def finish_session(
    context: RunContext,
    record: SessionRecord,
    end: Observation,
    before: CheckpointInventory,
    *,
    keep: bool = True,
    found: Collected | None = None,
    brief: bool = False,
) -> ClosedSession:
    """Collect what an ended session made: fetch, judge, restore. Repeatable after a crash anywhere.

    Args:
        record: Submitted.
        end: The look that saw its end.
        before: What was in place when it was last surveyed.
        keep: Whether its checkpoints may be put in place; False when the user starts over.
        found: Outputs that were just fetched, None to fetch them now.
        brief: Whether to wait for late outputs for a minute at most.

    Raises:
        NotYet: Another look may settle more, and this command does not wait.
        RemoteUnavailable: The backend is away, or cannot give what decides how the run goes on.
        StorageFault: The project is not there any more.
    """
    context.require_home()
    handle, ticket = Handle.parse(str(record.handle)), Ticket.from_json(record.ticket)
    keeps = context.backend.capabilities.keeps_images and record.stage is Stage.SUBMITTED
    machine = machine_of_ended(context, record) if keeps else None
    context.record(
        EventKind.SESSION_ENDED,
        record.run_id,
        record.key,
        native=end.native,
        exit_code=end.exit_code,
        reason=end.reason,
        **({} if machine is None else {"machine": machine.to_json()}),
    )
    if found is None and keep:
        found = collect(context, record, end, before, brief=brief)
    folder, judgement = retrieve_and_analyze_logs(context, ticket, handle, end, found)
    # After every ending, whatever it was: a verified checkpoint that was fetched is worth its GPU hours.
    restored, inventory = restore(context, ticket, folder, before) if keep else ((), up_to_date(context, before))
    context.record(
        EventKind.SESSION_CLOSED,
        record.run_id,
        record.key,
        restored=restored,
        models_steps=inventory.steps,
        wall_s=judgement.wall_s,
        trained_steps=judgement.trained_steps,
        end_reason=judgement.end_reason.value,
        ended_at=judgement.ended_at or _believed_end(context, record),
    )
    context.models.discard_archive(folder.name)
    return ClosedSession(judgement=judgement, results_dir=folder, restored=restored, inventory=inventory)


def _believed_end(context: RunContext, record: SessionRecord) -> str | None:
    """When a session without an account ended: now if it was pushed from here, else the earliest possible moment.

    Each new copy of the ledger closes such a session again; with "now" its back-off would never end.
    """
    return record.begun_at if record.recovered else context.clock.now().isoformat()


def retrieve_and_analyze_logs(
    context: RunContext, ticket: Ticket, handle: Handle, observation: Observation, found: Collected | None = None
) -> tuple[Path, Judgement]:
    """Fetch what a session wrote and judge it. Repeatable; nothing of an earlier fetch is mixed in.

    Args:
        ticket: What was pushed.
        handle: The submitted session.
        observation: The last look at it.
        found: Outputs that were just fetched, None to fetch them now.

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
    if (record := context.ledger.session(key)) is not None and record.stop_asked_by is not None:
        judgement = as_asked(judgement)
    judged = context.event(
        EventKind.SESSION_JUDGED,
        ticket.run_id,
        key,
        end_reason=judgement.end_reason.value,
        exit_code=judgement.exit_code,
        verdict=judgement.verdict.value if judgement.verdict else None,
        no_claim=judgement.no_claim,
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
    """Close a session that was planned and never began.

    Args:
        why: Why it was refused for now; empty if its push was lost.
    """
    half_done = record.stage is Stage.JUDGED and record.end_reason == EndReason.NEVER_SUBMITTED
    if record.stage not in (Stage.PLANNED, Stage.SUBMITTED) and not half_done:
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


def close_unrestored(
    context: RunContext, record: SessionRecord, *, models_steps: int | None = None, unsubmitted: bool = False
) -> None:
    """Close a session whose checkpoints must not be put in place.

    Args:
        models_steps: Steps in place, None to look.
        unsubmitted: Whether it was never started.
    """
    context.record(
        EventKind.SESSION_CLOSED,
        record.run_id,
        record.key,
        restored=(),
        models_steps=context.models.view().steps if models_steps is None else models_steps,
        unsubmitted=unsubmitted,
    )
