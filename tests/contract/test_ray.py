"""The Ray backend fulfils the contract, on a real head of one node."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.core.section.ray import RaySettings
from tests.contract.backend_contract import BackendContract, BackendHarness
from tests.doubles.toy_section import make_toy_project
from tests.ray.head import LoopbackRay, OwnNames, loopback_ray, variables


@pytest.fixture(scope="module")
def cluster() -> Iterator[LoopbackRay]:
    with loopback_ray() as ray:
        yield ray


@pytest.fixture
def harness(tmp_path: Path, cluster: LoopbackRay) -> Iterator[BackendHarness]:
    from orchestrator.backends.ray.backend import RayBackend
    from orchestrator.backends.ray.client import connect
    from orchestrator.backends.ray.storage import open_storage

    storage = f"file://{tmp_path}/sessions"
    settings = RaySettings(address=cluster.address, storage=storage, python=sys.executable)
    with variables(cluster.environ):
        jobs = connect(cluster.address)
        own = replace(jobs, client=OwnNames(jobs.client, f"-{secrets.token_hex(4)}"))
        backend = RayBackend(own, settings, open_storage(storage, {}), sync_s=1.0)
        yield BackendHarness(backend, make_toy_project(tmp_path / "project"), pause_s=0.2)


class TestRay(BackendContract):
    """All tests of the contract."""
