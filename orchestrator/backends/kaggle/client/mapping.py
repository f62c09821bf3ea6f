"""Kaggle's requests, answers and states as plain values. No I/O.

Source: the request and response types of kagglesdk 0.1.38 (kernels, datasets); error messages as quoted in public
issue threads of kaggle-cli, since the service documents none of them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from orchestrator.core.session.backend_types import Observation, SessionState
from orchestrator.core.session.end_reason import EndReason

STATES: Mapping[str, SessionState] = {
    "QUEUED": SessionState.PENDING,
    "NEW_SCRIPT": SessionState.PENDING,
    "RUNNING": SessionState.RUNNING,
    # The worker was asked to stop and is still copying outputs: a listing now may be incomplete.
    "CANCEL_REQUESTED": SessionState.SAVING,
    "COMPLETE": SessionState.ENDED,
    "ERROR": SessionState.ENDED,
    "CANCEL_ACKNOWLEDGED": SessionState.ENDED,
}
"""Every member of kagglesdk's `KernelWorkerStatus`; a test keeps the table complete."""

NEVER_RUN = "never run"
"""Our name for the 404 that a kernel answers before its first run is visible."""

_TIMED_OUT = re.compile(r"time[d ]?\s?-?out|timeout|time limit|exceeded .*(time|duration|seconds|hours)", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class SaveRequest:
    """One kernel version to save and run. Always private, always a Python script.

    Attributes:
        quick_save: Save it without a session, which spends no quota.
    """

    owner: str
    slug: str
    source: str
    gpu: bool
    machine_shape: str | None
    internet: bool
    session_timeout_s: int
    docker_image: str | None = None
    dataset_sources: tuple[str, ...] = ()
    kernel_sources: tuple[str, ...] = ()
    quick_save: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SaveAnswer:
    """The answer to a saved kernel. A refusal has almost the same form: see `push_errors`."""

    ref: str
    version: int | None
    error: str = ""
    invalid_sources: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelRecord:
    """A kernel as read back.

    Attributes:
        run_at: When its last version ran, aware; None if the service does not say. Each of our slugs has one version,
            so this lies within its session.
        docker_image: Image of its last version, empty if the service names none.
        machine_shape: Machine of its last version, empty if the service names none.
    """

    source: str
    version: int
    private: bool
    run_at: datetime | None = None
    gpu: bool = False
    docker_image: str = ""
    machine_shape: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputFile:
    """One output: its path and a signed address that expires. The listing has neither size nor digest."""

    path: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputPage:
    """One page of a session's outputs."""

    files: tuple[OutputFile, ...]
    log: str
    next_token: str


def observation(status: str, failure_message: str = "") -> Observation:
    """A kernel's state as an observation.

    Args:
        status: The service's state, kept verbatim in the result.
        failure_message: The service's own message, if any.
    """
    state = STATES.get(status, SessionState.UNKNOWN)
    native = f"{status}: {failure_message}" if failure_message else status
    reason = None
    if state is SessionState.ENDED:
        if _TIMED_OUT.search(failure_message):
            reason = EndReason.WALL_LIMIT
        elif status == "CANCEL_ACKNOWLEDGED":
            reason = EndReason.CANCELLED
    return Observation(state=state, native=native, reason=reason, succeeded=status == "COMPLETE")
