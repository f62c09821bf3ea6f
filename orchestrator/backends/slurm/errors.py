"""Slurm's sentences of failure as errors of this program. No I/O."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from orchestrator.core.errors import BadInput, NotYet, OrchestratorError, OutcomeUnknown, RemoteUnavailable

_NOT_SENT = re.compile(
    r"Unable to contact slurm|connect failure|Connection refused|Munge|authentication (error|credential)"
    r"|configuration source|failed to fetch config|Unable to resolve",
    re.IGNORECASE,
)
"""The request did not reach slurmctld, or was not understood there."""
_LOST = re.compile(
    r"timed out|Zero Bytes|Unexpected message|Communication (connection|shutdown) failure|Connection reset"
    r"|Broken pipe|Message receive failure|Header lengths",
    re.IGNORECASE,
)
"""The request may have reached slurmctld; its answer did not come back."""
_FOR_NOW = re.compile(
    r"Submit(Job|Jobs)\w*Limit|Submit\w*Limit|job submit limit|temporarily unable|Resource temporarily unavailable"
    r"|inactive or drain|standby mode|MaxJobCount|No more jobs|in slurmctld.*full|(saving|recovering) state"
    r"|error writing script|MaxSubmitJobs|too many (jobs|pending)",
    re.IGNORECASE,
)
"""Limits that the user's other jobs use up, and states that pass. Source: slurm_errno.h, job_state_reason_string()."""
_FOR_GOOD = re.compile(r"(PerJob|PerNode)Limit|MaxWallDuration", re.IGNORECASE)
"""Limits that this job alone exceeds; Slurm's general sentence below them also mentions the submit limit."""
_UNKNOWN_JOB = re.compile(r"Invalid job id|Unable to find job|already completing or completed", re.IGNORECASE)
_PREFIX = re.compile(r"^(sbatch|squeue|scontrol|scancel|slurm_load_jobs)?:? ?(error|fatal): ", re.MULTILINE)

_WAIT_S = 60.0


def sentence(stderr: str) -> str:
    """Slurm's own words, on one line, without the names of its commands."""
    lines = [_PREFIX.sub("", line).strip() for line in stderr.splitlines()]
    return "; ".join(dict.fromkeys(filter(None, lines))) or "it gave no reason"


def is_unknown_job(stderr: str) -> bool:
    """Whether a query failed because slurmctld has forgotten the job: it ended some minutes ago."""
    return bool(_UNKNOWN_JOB.search(stderr))


def of_query(command: str, stderr: str) -> RemoteUnavailable:
    """The error of a query that failed; a later one may succeed."""
    return RemoteUnavailable(
        f"{command} failed: {sentence(stderr)}",
        remedy="Run the same command again when Slurm answers (`scontrol ping`); the sessions go on.",
        transient=True,
    )


def of_submit(stderr: str) -> OrchestratorError:
    """The error of a job that sbatch did not submit, or may not have submitted."""
    why = f"Slurm: {sentence(stderr)}"
    if _LOST.search(stderr):
        return OutcomeUnknown(why, remedy="Run the same command again: it looks for the job before it sends another.")
    if _NOT_SENT.search(stderr):
        return NotYet(why, remedy="Run the same command again when Slurm answers (`scontrol ping`).", wait_s=_WAIT_S)
    if _FOR_NOW.search(stderr) and not _FOR_GOOD.search(stderr):
        return NotYet(why, remedy="Run the same command again when other jobs have ended.", wait_s=_WAIT_S)
    return BadInput(
        why,
        remedy="Correct the block `slurm` in the section's card; `sinfo` shows partitions and limits, "
        "`sacctmgr show associations user=$USER` accounts.",
    )


@contextmanager
def refused_for_now() -> Iterator[None]:
    """A login node that cannot be reached is waited for: what was to be changed there can be repeated.

    Raises:
        NotYet: It cannot be reached now.
    """
    try:
        yield
    except (NotYet, OutcomeUnknown):
        raise
    except RemoteUnavailable as fault:
        if not fault.transient:
            raise
        raise NotYet(str(fault), remedy=fault.remedy, wait_s=_WAIT_S) from fault
