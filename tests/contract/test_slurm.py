"""The Slurm backend fulfils the contract, on Slurm's real daemons."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.backends.slurm.backend import SlurmBackend
from orchestrator.backends.slurm.commands import Slurm
from orchestrator.backends.slurm.here import Here
from orchestrator.core.section.slurm import SlurmSettings
from tests.contract.backend_contract import BackendContract, BackendHarness
from tests.doubles.toy_section import make_toy_project
from tests.slurm.daemons import LoopbackSlurm, loopback_slurm


@pytest.fixture(scope="module")
def cluster() -> Iterator[LoopbackSlurm]:
    with loopback_slurm() as slurm:
        yield slurm


@pytest.fixture
def harness(tmp_path: Path, cluster: LoopbackSlurm) -> BackendHarness:
    node = Here(tmp_path / "sessions", cluster.environ)
    backend = SlurmBackend(Slurm(node.run), SlurmSettings(), node, sys.executable)
    return BackendHarness(backend, make_toy_project(tmp_path / "project"), pause_s=0.1)


class TestSlurm(BackendContract):
    """All tests of the contract."""
