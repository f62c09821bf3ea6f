"""Slurm's words for the state of a job. No I/O."""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.core.session.backend_types import SessionState
from orchestrator.core.session.end_reason import EndReason

STATES: Mapping[str, SessionState] = {
    **dict.fromkeys(
        ("PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "RESV_DEL_HOLD", "SPECIAL_EXIT"),
        SessionState.PENDING,
    ),
    **dict.fromkeys(
        ("RUNNING", "SUSPENDED", "STOPPED", "RESIZING", "SIGNALING", "POWER_UP_NODE"), SessionState.RUNNING
    ),
    **dict.fromkeys(("COMPLETING", "STAGE_OUT"), SessionState.SAVING),
    **dict.fromkeys(
        (
            *("BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "LAUNCH_FAILED", "NODE_FAIL"),
            *("OUT_OF_MEMORY", "PREEMPTED", "RECONFIG_FAIL", "REVOKED", "TIMEOUT"),
        ),
        SessionState.ENDED,
    ),
}
"""Source: squeue(1), JOB STATE CODES."""

REASONS: Mapping[str, EndReason] = {
    "TIMEOUT": EndReason.WALL_LIMIT,
    "DEADLINE": EndReason.WALL_LIMIT,
    "CANCELLED": EndReason.CANCELLED,
}
"""State -> why a session without a manifest ended. Of the other states the exit code says more."""

WELL = "COMPLETED"
"""All processes have ended with exit code 0."""

OWN_CODE = frozenset({WELL, "FAILED"})
"""States in which the exit code that Slurm reports is the session's own."""

HELD: Mapping[str, str] = {
    "JobHeldUser": "It is held: `scontrol release {number}` lets it start.",
    "JobHeldAdmin": "It is held by an administrator of the cluster.",
    "PartitionTimeLimit": "slurm.time in the card is longer than the partition allows: it never starts.",
    "PartitionNodeLimit": "It asks for more nodes than the partition allows: it never starts.",
    "PartitionConfig": "The partition has no node for what the card asks (cpus, mem, gres): it never starts.",
    "BadConstraints": "No node can give what the card asks (cpus, mem, gres): it never starts.",
    "InvalidAccount": "slurm.account in the card is not valid: it never starts.",
    "InvalidQOS": "slurm.qos in the card is not valid: it never starts.",
    "DependencyNeverSatisfied": "It depends on a job that failed: it never starts.",
}
"""Reason of a job that waits -> what the user must know. Source: squeue(1), JOB REASON CODES."""

ENDS_PENDING = "`python -m orchestrator cancel` removes it."


def note(reason: str, job: str) -> str:
    """What a user should know about a job that waits for this reason; empty if it will start by itself."""
    text = HELD.get(reason, "")
    return f"Job {job}: {text.format(number=job)} {ENDS_PENDING}" if text else ""


def code_of(state: str, known: tuple[int, int] | None) -> int | None:
    """Exit code of a process as a shell reports it; None where Slurm does not know it.

    Args:
        known: Exit code and signal by Slurm.
    """
    if state == "OUT_OF_MEMORY":
        return 137  # the kernel of the system killed it; Slurm itself reports 125
    if state not in OWN_CODE or known is None:
        return None
    exit_code, signal = known
    return 128 + signal if signal else exit_code
