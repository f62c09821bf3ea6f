"""The state of a session: what squeue says of its jobs, and what their starts have written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from orchestrator.backends.slurm import states
from orchestrator.backends.slurm.listing import Job
from orchestrator.backends.slurm.session.folder import SessionFolder
from orchestrator.backends.slurm.session.starts import own_manifest
from orchestrator.core.session.backend_types import Observation, SessionState
from orchestrator.core.session.end_reason import EndReason
from orchestrator.core.timestamps import parse_timestamp

LOST_AFTER_S = 120.0
"""Seconds after which a job that never started and is not listed by squeue has been removed from it."""

SILENT_S = 90.0
"""Seconds without a written byte after which a job that slurmctld has forgotten is dead. A session reports at
least every 15 s while it trains."""

_FIRST_ALIVE = (SessionState.RUNNING, SessionState.SAVING, SessionState.UNKNOWN, SessionState.PENDING)


def of_alive(folder: SessionFolder, jobs: Sequence[Job]) -> Observation | None:
    """The state by the job that is most alive; None if all have ended.

    A submit whose answer was lost may have been repeated: a session can have two jobs, of which the second waits.
    """
    for state in _FIRST_ALIVE:
        for job in jobs:
            if states.STATES.get(job.state, SessionState.UNKNOWN) is not state:
                continue
            if state is not SessionState.PENDING:
                return Observation(state=state, native=job.state)
            # A job that came back to PENDING after its session has ended leaves at once when it starts.
            if not has_ended(folder):
                why = "" if job.reason in ("", "None", "(null)") else f" ({job.reason})"
                return Observation(state=state, native=job.state + why, note=states.note(job.reason, job.id))
    return None


def most_alive(seen: Sequence[Observation]) -> Observation:
    """The state of an array: that of the task that is most alive, its end only once all have ended."""
    order = (*_FIRST_ALIVE, SessionState.ABSENT, SessionState.ENDED)
    return min(seen, key=lambda one: order.index(one.state))


def of_ended(folder: SessionFolder, member: int | None, job: Job, known: tuple[int, int] | None) -> Observation:
    """How a job ended that slurmctld still knows.

    Args:
        known: Exit code and signal by Slurm.
    """
    output = folder.counted(member)
    own = None if output is None else folder.exit_code(output, member)
    code = states.code_of(job.state, known)
    if own is not None and (member is not None or code is None or len(folder.numbers()) > 1):
        code = own  # Slurm's is that of the whole pack, or of another start, or of a session that it has ended
    if output is None and not code:
        code = None  # it left without a start
    reason = states.REASONS.get(job.state)
    if reason is EndReason.CANCELLED and own is not None:
        reason = EndReason.STOPPED  # a person's scancel: it has saved, and no further session follows
    return Observation(state=SessionState.ENDED, native=job.state, exit_code=code, reason=reason)


def of_forgotten(
    folder: SessionFolder, member: int | None, now: datetime, forbid: Callable[[], SessionFolder]
) -> Observation:
    """The state of a session whose job slurmctld does not know, or no longer knows.

    Args:
        forbid: Forbids the session to start, then looks at its folder again.
    """
    if not folder.starts.is_dir():
        return Observation(state=SessionState.ENDED, native="ended, and emptied after its fetch")
    if folder.numbers():
        if not has_ended(folder) and folder.silent_s() <= SILENT_S:
            return Observation(state=SessionState.RUNNING, native="not listed by squeue, but writing")
        output = folder.counted(member)
        code = None if output is None else folder.exit_code(output, member)
        return Observation(state=SessionState.ENDED, native="not listed by squeue any more", exit_code=code)
    note = folder.read_submitted()
    at = parse_timestamp(str((note or {}).get("at")))
    if at is None or (now - at).total_seconds() <= LOST_AFTER_S:
        return Observation(state=SessionState.ABSENT, native="not listed by squeue")
    # A slurmctld that restores an old state must not start it any more.
    if forbid().begun:  # it has started in this moment
        return Observation(state=SessionState.RUNNING, native="not listed by squeue, but writing")
    return Observation(state=SessionState.ENDED, native="removed before it started")


def has_ended(folder: SessionFolder) -> bool:
    """Whether a start has run to its end: each of its sessions has written its manifest."""
    tickets = folder.tickets()
    members = [None] if len(tickets) == 1 else list(range(1, len(tickets) + 1))
    return bool(tickets) and any(
        all(
            own_manifest(folder.output(number, member), ticket) for member, ticket in zip(members, tickets, strict=True)
        )
        for number in folder.numbers()
    )
