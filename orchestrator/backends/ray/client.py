"""The jobs of a Ray cluster, by Ray's own client. The only room that imports `ray`, and only when it connects."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from orchestrator.backends.ray import errors
from orchestrator.backends.ray.entrypoint import NONCE, JobRequest
from orchestrator.core.errors import OutcomeUnknown, RemoteUnavailable

ANSWER_S, SUBMIT_S = 60.0, 180.0
"""Time limits: Ray's client has none of its own."""

_Answer = TypeVar("_Answer")


class JobClient(Protocol):
    """What this program uses of `ray.job_submission.JobSubmissionClient`."""

    def submit_job(
        self,
        *,
        entrypoint: str,
        submission_id: str,
        runtime_env: dict[str, Any],
        metadata: dict[str, str],
        entrypoint_num_cpus: float | None = None,
        entrypoint_num_gpus: float | None = None,
        entrypoint_memory: int | None = None,
        entrypoint_resources: dict[str, float] | None = None,
    ) -> str:
        """Submit a job; RuntimeError if the cluster refuses it."""

    def get_job_info(self, job_id: str) -> Any:
        """A `JobDetails`; RuntimeError if there is no such job."""

    def get_job_logs(self, job_id: str) -> str:
        """The whole log; RuntimeError if there is none."""

    def stop_job(self, job_id: str) -> bool:
        """Ask a job to end."""

    def get_version(self) -> str:
        """Version of the Jobs API."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One job that the cluster knows.

    Attributes:
        status: Ray's word: `PENDING`, `RUNNING`, `STOPPED`, `SUCCEEDED` or `FAILED`.
        nonce: Of its session; empty for a job of another program.
        message: Ray's explanation of the status.
        error: Ray's kind of failure, e.g. `JOB_SUPERVISOR_ACTOR_DIED`.
        exit_code: Of its command; None if Ray does not know it.
        begun_ms: When it was submitted, Unix time.
    """

    status: str
    nonce: str = ""
    message: str = ""
    error: str = ""
    exit_code: int | None = None
    begun_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Jobs:
    """The jobs of one cluster.

    Attributes:
        client: Ray's client.
        address: Of the cluster, for messages.
        answer_s: Seconds that a request may take; a submit three times as long.
    """

    client: JobClient
    address: str
    answer_s: float = field(default=ANSWER_S)

    def submit(self, request: JobRequest) -> None:
        """Submit a job: one request, never repeated here.

        Raises:
            NameTaken: The cluster has a job of that name.
            NotYet: It cannot take jobs now; nothing was submitted.
            OutcomeUnknown: The answer was lost.
            BadInput: Ray refused it; its sentence is shown.
        """
        limit_s = self.answer_s * SUBMIT_S / ANSWER_S
        try:
            _within(
                limit_s,
                lambda: self.client.submit_job(
                    entrypoint=request.entrypoint,
                    submission_id=request.slug,
                    runtime_env=dict(request.runtime_env),
                    metadata=dict(request.metadata),
                    **request.resources,
                ),
            )
        except TimeoutError as fault:
            raise OutcomeUnknown(f"Ray gave no answer to the submit within {limit_s:.0f} s") from fault
        except Exception as fault:  # of `requests` and of Ray, which this program does not import
            raise errors.of_submit(fault, request.slug, self.address) from fault

    def info(self, slug: str) -> Job | None:
        """The job of that name; None if the cluster knows none.

        Raises:
            RemoteUnavailable: The cluster does not answer.
        """
        details = self._ask(lambda: self.client.get_job_info(slug))
        if details is None:
            return None
        metadata: Mapping[str, str] = details.metadata or {}
        return Job(
            status=getattr(details.status, "value", str(details.status)),
            nonce=str(metadata.get(NONCE, "")),
            message=str(details.message or ""),
            error=str(details.error_type or ""),
            exit_code=getattr(details, "driver_exit_code", None),
            begun_ms=details.start_time,
        )

    def log(self, slug: str) -> str:
        """The whole log of a job; empty if the cluster has none, or cannot give it now."""
        try:
            return self._ask(lambda: self.client.get_job_logs(slug)) or ""
        except RemoteUnavailable:
            return ""  # the storage has a copy; a status that cannot be had is reported by `info`

    def stop(self, slug: str) -> None:
        """Ask a job to end: TERM to each of its processes."""
        self._ask(lambda: self.client.stop_job(slug))

    def ping(self) -> str:
        """Ask whether the cluster is there; returns the version of its Jobs API.

        Raises:
            RemoteUnavailable: It does not answer.
        """
        return str(self._ask(self.client.get_version))

    def _ask(self, act: Callable[[], _Answer]) -> _Answer | None:
        """The answer; None if there is no such job."""
        try:
            return _within(self.answer_s, act)
        except TimeoutError as fault:
            raise errors.of_query(f"no answer within {self.answer_s:.0f} s", self.address) from fault
        except Exception as fault:  # as above
            if errors.status_of(fault) == 404:
                return None
            raise errors.of_query(fault, self.address) from fault


def connect(address: str) -> Jobs:
    """The jobs of a cluster.

    Args:
        address: Of its dashboard.

    Raises:
        RemoteUnavailable: Ray's client is not installed here, or the cluster does not answer.
    """
    try:
        from ray.job_submission import JobSubmissionClient
    except ImportError as fault:
        raise errors.missing_client() from fault
    try:
        client: JobClient = _within(ANSWER_S, lambda: JobSubmissionClient(address))
    except TimeoutError as fault:
        raise errors.of_query(f"no answer within {ANSWER_S:.0f} s", address) from fault
    except Exception as fault:  # as above
        raise errors.of_query(fault, address) from fault
    return Jobs(client, address)


def _within(limit_s: float, act: Callable[[], _Answer]) -> _Answer:
    """The answer of an act that has no time limit of its own.

    Raises:
        TimeoutError: There is none in time; the act may still be at work.
    """
    answer: Future[_Answer] = Future()

    def work() -> None:
        try:
            answer.set_result(act())
        except Exception as fault:  # it is raised again in the thread that asked
            answer.set_exception(fault)

    threading.Thread(target=work, daemon=True).start()
    return answer.result(timeout=limit_s)
