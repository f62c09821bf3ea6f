"""What a run reports about its sessions: where each starts, and what went wrong."""

from __future__ import annotations

from orchestrator.core.checkpoint.compatibility import Compatibility
from orchestrator.core.checkpoint.inventory import CheckpointInventory
from orchestrator.core.session.end_reason import REMEDIES, EndReason
from orchestrator.pipeline.context import RunContext
from orchestrator.pipeline.session.lifecycle import ClosedSession, Place


def announce_session(
    context: RunContext, place: Place, view: CheckpointInventory, target_steps: int, comparison: Compatibility | None
) -> None:
    """Report where a session starts, and how exact its resume will be."""
    start_text = f"from {view.steps} steps" if view.latest else "from the beginning"
    attempt = f", attempt {place.attempt}" if place.attempt > 1 else ""
    context.info("session_starts", f"Session {place.session}{attempt}: {start_text} to {target_steps} steps")
    if comparison is not None:
        reasons = [f"  - {reason} ({reason.grade.word})" for reason in comparison.reasons]
        left = ", ".join(comparison.left_to_kernel)
        context.info(
            "resume_grade", f"Resume grade: {comparison.grade.word}; the session compares {left} as well", *reasons
        )


def report_troubles(context: RunContext, closed: ClosedSession) -> None:
    """Report what went wrong in a session: problems, its own error, and the remedy."""
    judgement = closed.judgement
    for problem in judgement.problems:
        context.warn("problem", f"Problem: {problem}")
    if judgement.error:
        # Where there was no room, the last line says all: no line of the code is at fault.
        told = 1 if judgement.end_reason is EndReason.DISK_FULL else 12
        context.warn("session_error", *judgement.error.rstrip().splitlines()[-told:])
    if judgement.end_reason in REMEDIES:
        context.warn(
            "session_failed",
            f"Session ended: {judgement.end_reason} (log: {closed.results_dir / 'kernel.log'})",
            REMEDIES[judgement.end_reason],
        )
