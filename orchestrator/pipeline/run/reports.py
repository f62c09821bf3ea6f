"""What a run reports: a refusal, troubles of a session, a target that has no effect."""

from __future__ import annotations

from orchestrator.core.ledger.records import SessionRecord
from orchestrator.core.run.actions import Refuse
from orchestrator.core.run.open_run import ClosedSession
from orchestrator.core.run.request import RunRequest
from orchestrator.core.session.end_reason import REMEDIES, EndReason
from orchestrator.pipeline.context import RunContext


def announce_found(context: RunContext, record: SessionRecord) -> None:
    """Report that a session of an earlier command is continued."""
    target = record.ticket["spec"]["target_steps"]
    to = "its own end" if target is None else f"its own target of {target} steps"
    context.detail("session_found", f"Found session {record.slug} of an earlier command: carrying it on to {to}")


def other_target_lines(request: RunRequest, in_flight: int | None) -> list[str]:
    """Lines where the session in flight has another target than this command; None is no target."""
    if request.add_steps is not None:
        asked = f"--add-steps {request.add_steps}"
    elif (target := request.target(0)) != in_flight:
        asked = "a training without a target" if target is None else f"the target of {target} steps"
    else:
        return []
    to = "has no target" if in_flight is None else f"goes to {in_flight} steps"
    return [
        f"The session in flight {to}: {asked} has no effect on it",
        "Give the same command again after it has ended.",
    ]


def report_troubles(context: RunContext, closed: ClosedSession) -> None:
    """Report what went wrong in a session: problems, its own error, and the remedy."""
    judgement = closed.judgement
    for problem in judgement.problems:
        context.warn("problem", f"Problem: {problem}")
    if judgement.error:
        # Where there was no room, the last line says all: no line of the code is at fault.
        lines = 1 if judgement.end_reason is EndReason.DISK_FULL else 12
        context.warn("session_error", *judgement.error.rstrip().splitlines()[-lines:])
    if judgement.end_reason in REMEDIES:
        context.warn(
            "session_failed",
            f"Session ended: {judgement.end_reason} (log: {closed.results_dir / 'kernel.log'})",
            REMEDIES[judgement.end_reason],
        )


def refuse(context: RunContext, action: Refuse) -> None:
    """Report why nothing is done, and raise it."""
    context.warn("incompatible", *action.lines)
    raise action.fault
