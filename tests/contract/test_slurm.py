"""The Slurm backend fulfils the contract, on Slurm's real daemons: on this computer, and behind a real sshd."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pytest

from orchestrator.backends.slurm.backend import SlurmBackend
from orchestrator.backends.slurm.commands import Slurm
from orchestrator.backends.slurm.here import Here
from orchestrator.backends.slurm.listing import JobListing
from orchestrator.backends.slurm.login_node import LoginNode
from orchestrator.backends.slurm.ssh.connection import Connection
from orchestrator.backends.slurm.ssh.login_node import SshLoginNode
from orchestrator.core.section.slurm import SlurmSettings
from tests.contract.backend_contract import BackendContract, BackendHarness
from tests.doubles.toy_section import make_toy_project
from tests.slurm.daemons import LoopbackSlurm, loopback_slurm
from tests.slurm.sshd import HOST, LoopbackSshd, loopback_sshd


@pytest.fixture(scope="module")
def cluster() -> Iterator[LoopbackSlurm]:
    with loopback_slurm() as slurm:
        yield slurm


@pytest.fixture(scope="module")
def sshd(cluster: LoopbackSlurm) -> Iterator[LoopbackSshd]:
    with loopback_sshd({name: cluster.environ[name] for name in ("SLURM_CONF", "PATH")}) as daemon:
        yield daemon


def _harness(node: LoginNode, root: Path) -> BackendHarness:
    backend = SlurmBackend(Slurm(node.run, node.title, JobListing(shared_s=0.1)), SlurmSettings(), node, sys.executable)
    return BackendHarness(backend, make_toy_project(root / "project"), pause_s=0.1)


class TestSlurm(BackendContract):
    """All tests of the contract."""

    @pytest.fixture
    def harness(self, tmp_path: Path, cluster: LoopbackSlurm) -> BackendHarness:
        return _harness(Here(tmp_path / "sessions", cluster.environ), tmp_path)


class TestSlurmOverSsh(BackendContract):
    """All tests of the contract."""

    @pytest.fixture
    def harness(self, tmp_path: Path, sshd: LoopbackSshd, monkeypatch: pytest.MonkeyPatch) -> BackendHarness:
        monkeypatch.setenv("PATH", sshd.environ["PATH"])
        connection = Connection(HOST, sshd.folder / "sockets")
        return _harness(SshLoginNode(connection, PurePosixPath(tmp_path / "sessions"), tmp_path / "seen"), tmp_path)
