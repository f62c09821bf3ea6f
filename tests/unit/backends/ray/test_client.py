"""The client room: time limits that Ray's client lacks, sentences of failure, and a computer without Ray."""

from __future__ import annotations

import sys
import threading
from dataclasses import replace
from typing import Any

import pytest

from orchestrator.backends.ray.client import Jobs, connect
from orchestrator.backends.ray.entrypoint import JobRequest
from orchestrator.core.errors import EXIT_REMOTE, OutcomeUnknown, RemoteUnavailable
from tests.doubles.memory_ray import MemoryRay, Refused

ADDRESS = "http://head:8265"
REQUEST = JobRequest(slug="one", entrypoint="true", runtime_env={}, metadata={"orchestrator": "n"})


@pytest.fixture
def jobs() -> Jobs:
    return Jobs(MemoryRay(), ADDRESS)


def test_a_job_is_read_back(jobs: Jobs) -> None:
    jobs.submit(replace(REQUEST, resources={"entrypoint_num_cpus": 1.0}))
    job = jobs.info("one")
    assert job is not None
    assert (job.status, job.nonce, job.begun_ms) == ("PENDING", "n", 1_700_000_000_000)
    assert jobs.info("two") is None
    assert jobs.log("two") == ""


class Silent(MemoryRay):
    """Answers when the gate is opened."""

    def __init__(self, gate: threading.Event) -> None:
        super().__init__()
        self.gate = gate

    def submit_job(self, **words: Any) -> str:
        self.gate.wait(60)
        return super().submit_job(**words)

    def get_job_info(self, job_id: str) -> Any:
        self.gate.wait(60)
        return super().get_job_info(job_id)


def test_a_cluster_that_gives_no_answer_blocks_nothing() -> None:
    gate = threading.Event()
    try:
        jobs = Jobs(Silent(gate), ADDRESS, answer_s=0.05)
        with pytest.raises(RemoteUnavailable, match=r"no answer within 0 s") as caught:
            jobs.info("one")
        assert caught.value.transient
        with pytest.raises(OutcomeUnknown, match="no answer to the submit"):
            jobs.submit(REQUEST)
    finally:
        gate.set()


def test_a_query_that_fails_is_one_line_with_the_address(jobs: Jobs) -> None:
    assert isinstance(jobs.client, MemoryRay)
    jobs.client.fault = Refused("Request failed with status code 500: Traceback\n  File x\nValueError: no such thing\n")
    with pytest.raises(RemoteUnavailable) as caught:
        jobs.ping()
    assert str(caught.value) == "Ray at http://head:8265: no such thing"
    assert "curl http://head:8265/api/version" in caught.value.remedy


def test_a_log_that_cannot_be_had_is_empty(jobs: Jobs) -> None:
    assert isinstance(jobs.client, MemoryRay)
    jobs.client.fault = Refused("Request failed with status code 500: UnicodeDecodeError")
    assert jobs.log("one") == ""


def test_without_ray_the_command_to_install_it_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray.job_submission", None)
    with pytest.raises(RemoteUnavailable, match="needs Ray's client, which is not installed") as caught:
        connect(ADDRESS)
    assert "python -m pip install fsspec 'ray[default]'" in caught.value.remedy
    assert caught.value.exit_code == EXIT_REMOTE
