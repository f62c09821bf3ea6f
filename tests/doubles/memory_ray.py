"""Ray's job client with a memory: jobs that the tests change or run, and the failures that Ray answers with."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

_TRACE = 'Request failed with status code 500: Traceback (most recent call last):\n  File "job_agent.py"\n'


class Refused(RuntimeError):
    """As Ray's client raises."""


@dataclass(slots=True)
class MemoryJob:
    """A job of the cluster."""

    entrypoint: str
    runtime_env: dict[str, Any]
    metadata: dict[str, str]
    reserved: dict[str, Any]
    status: str = "PENDING"
    message: str = ""
    error_type: str | None = None
    driver_exit_code: int | None = None
    start_time: int = 1_700_000_000_000
    log: str = ""


@dataclass(slots=True)
class MemoryRay:
    """Answers as `JobSubmissionClient`.

    Attributes:
        jobs: Submission id -> job.
        fault: Raised by each request while it is set; a submit is carried out all the same if `lost`.
        stopped: Names of the jobs that were asked to end.
    """

    jobs: dict[str, MemoryJob] = field(default_factory=dict)
    fault: Exception | None = None
    lost: bool = False
    stopped: list[str] = field(default_factory=list)

    def submit_job(
        self, *, entrypoint: str, submission_id: str, runtime_env: Any, metadata: Any, **reserved: Any
    ) -> str:
        if self.fault is not None and not self.lost:
            raise self.fault
        if submission_id in self.jobs:
            raise Refused(
                f"{_TRACE}ValueError: Job with submission_id {submission_id} already exists. "
                "Please use a different submission_id.\n."
            )
        self.jobs[submission_id] = MemoryJob(entrypoint, runtime_env, metadata, reserved)
        if self.fault is not None:
            raise self.fault
        return submission_id

    def get_job_info(self, job_id: str) -> Any:
        job = self._job(job_id)
        return SimpleNamespace(
            status=SimpleNamespace(value=job.status),
            metadata=job.metadata,
            message=job.message,
            error_type=job.error_type,
            driver_exit_code=job.driver_exit_code,
            start_time=job.start_time,
        )

    def get_job_logs(self, job_id: str) -> str:
        return self._job(job_id).log

    def stop_job(self, job_id: str) -> bool:
        self._job(job_id)
        self.stopped.append(job_id)
        return True

    def get_version(self) -> str:
        if self.fault is not None:
            raise self.fault
        return "4"

    def run(self, name: str, meanwhile: Callable[[int], None] = lambda process: None) -> MemoryJob:
        """Run a job as Ray does: its command in a shell, its output in its log, and its status by its exit code.

        Args:
            meanwhile: Called with the process id of the command once its session has begun.
        """
        job = self.jobs[name]
        job.status, job.log = "RUNNING", f"Running entrypoint for job {name}: {job.entrypoint}\n"
        environ = {**os.environ, **job.runtime_env.get("env_vars", {})}
        words: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "env": environ}
        with subprocess.Popen(job.entrypoint, shell=True, start_new_session=True, **words) as command:
            guard = threading.Timer(60.0, os.killpg, (command.pid, signal.SIGKILL))
            guard.start()
            assert command.stdout is not None
            is_ready = False
            for line in command.stdout:
                job.log += line.decode("utf-8", "replace")
                if not is_ready and "READY" in job.log.rpartition("begins here.")[2]:
                    is_ready = True
                    meanwhile(command.pid)
            job.driver_exit_code = command.wait()
            guard.cancel()
        job.status = "SUCCEEDED" if job.driver_exit_code == 0 else "FAILED"
        return job

    def _job(self, name: str) -> MemoryJob:
        if self.fault is not None:
            raise self.fault
        if name not in self.jobs:
            raise Refused(f"Request failed with status code 404: Job {name} does not exist.")
        return self.jobs[name]
