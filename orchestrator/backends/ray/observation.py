"""The state of a session: what Ray says of its job, and what its starts have stored."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from orchestrator.backends.ray.client import Job
from orchestrator.backends.ray.folder import ASKED, WITHDRAWN, SessionFolder
from orchestrator.core.session.backend_types import Observation, SessionState
from orchestrator.core.session.end_reason import EndReason
from orchestrator.core.timestamps import parse_timestamp

STATES: Mapping[str, SessionState] = {
    "PENDING": SessionState.PENDING,
    "RUNNING": SessionState.RUNNING,
    **dict.fromkeys(("STOPPED", "SUCCEEDED", "FAILED"), SessionState.ENDED),
}
"""Source: `JobStatus` of `ray.job_submission`."""

NOTES: Mapping[str, str] = {
    "JOB_SUPERVISOR_ACTOR_START_TIMEOUT": "Ray gives up a job that waits for 15 minutes for what it asks "
    "(ray.num_cpus, num_gpus, mem, resources): ask for less, or set RAY_JOB_START_TIMEOUT_SECONDS on the head.",
    "JOB_SUPERVISOR_ACTOR_UNSCHEDULABLE": "No node can give what it asks: ray.num_cpus, num_gpus, mem, resources.",
    "RUNTIME_ENV_SETUP_FAILURE": "Its packages could not be installed: ray.pip.",
}
"""Ray's kind of failure -> what the user must know. Source: `JobErrorType` of `ray.job_submission`."""

LOST_AFTER_S = 120.0
"""Seconds after which a job that never started and that Ray does not know was lost with an earlier head."""

SILENT_S = 180.0
"""Seconds without a stored index after which a job that Ray does not know is dead; a session stores one each minute."""


def of_known(folder: SessionFolder, member: int | None, job: Job) -> Observation:
    """The state of a session whose job Ray knows."""
    state = STATES.get(job.status, SessionState.UNKNOWN)
    if state is SessionState.PENDING and folder.asked_by() == ASKED:
        # Ray stops a job that waits only once it could start; then its session finds the request, and leaves.
        return Observation(state=SessionState.ENDED, native="PENDING, and asked to stop", reason=EndReason.CANCELLED)
    if state is not SessionState.ENDED:
        return Observation(state=state, native=job.status)
    index = folder.counted(member, folder.starts())
    own = None if index is None else folder.exit_code(index, member)
    code = job.exit_code if own is None and member is None and index is not None else own
    if index is None or not index.ended:
        folder.ask_to_stop(WITHDRAWN)  # Ray may have lost a node that still works
    reason = None
    if job.status == "STOPPED":  # by `ray job stop`, or while it waited
        reason = EndReason.CANCELLED if own is None else EndReason.STOPPED
    elif own is None and folder.asked_by() == ASKED:
        reason = EndReason.CANCELLED
    native = f"{job.status} ({job.error})" if job.error and own is None else job.status
    return Observation(
        state=SessionState.ENDED, native=native, exit_code=code, reason=reason, note=NOTES.get(job.error, "")
    )


def of_forgotten(folder: SessionFolder, member: int | None, now: datetime) -> Observation:
    """The state of a session whose job Ray does not know: its head was started again, or the job never reached it."""
    starts = folder.starts()
    index = folder.counted(member, starts)
    if index is not None:
        silent_s = min((now - one.at).total_seconds() if one.at else SILENT_S + 1.0 for one in starts)
        if not any(one.ended for one in starts) and silent_s <= SILENT_S:
            return Observation(state=SessionState.RUNNING, native="not known to Ray, but storing")
        if not index.ended:
            folder.ask_to_stop(WITHDRAWN)
        code = folder.exit_code(index, member)
        return Observation(state=SessionState.ENDED, native="not known to Ray any more", exit_code=code)
    at = parse_timestamp(str((folder.submitted() or {}).get("at")))
    if at is None or (now - at).total_seconds() <= LOST_AFTER_S:
        return Observation(state=SessionState.ABSENT, native="not known to Ray")
    folder.ask_to_stop(WITHDRAWN)  # a head that restores an old state must not start it any more
    if folder.starts():  # it has started in this moment
        return Observation(state=SessionState.RUNNING, native="not known to Ray, but storing")
    return Observation(state=SessionState.ENDED, native="lost before it started")
