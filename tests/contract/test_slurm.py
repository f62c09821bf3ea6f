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
from tests.contract.backend_contract import BackendContract, BackendHarness, PackContract
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


def _harness(node: LoginNode, root: Path, array: int = 1) -> BackendHarness:
    slurm = Slurm(node.run, node.title, JobListing(shared_s=0.1))
    backend = SlurmBackend(slurm, SlurmSettings(array=array), node, sys.executable)
    return BackendHarness(backend, make_toy_project(root / "project"), pause_s=0.1)


@pytest.fixture
def here(tmp_path: Path, cluster: LoopbackSlurm) -> LoginNode:
    return Here(tmp_path / "sessions", cluster.environ)


@pytest.fixture
def behind_ssh(tmp_path: Path, sshd: LoopbackSshd, monkeypatch: pytest.MonkeyPatch) -> LoginNode:
    monkeypatch.setenv("PATH", sshd.environ["PATH"])
    connection = Connection(HOST, sshd.folder / "sockets")
    return SshLoginNode(connection, PurePosixPath(tmp_path / "sessions"), tmp_path / "seen")


class TestSlurm(BackendContract):
    """All tests of the contract."""

    @pytest.fixture
    def harness(self, tmp_path: Path, here: LoginNode) -> BackendHarness:
        return _harness(here, tmp_path)


class TestSlurmOverSsh(BackendContract):
    """All tests of the contract."""

    @pytest.fixture
    def harness(self, tmp_path: Path, behind_ssh: LoginNode) -> BackendHarness:
        return _harness(behind_ssh, tmp_path)


class TestJobArrays(PackContract):
    """The sessions of a push as tasks of a job array."""

    @pytest.fixture
    def harness(self, tmp_path: Path, here: LoginNode) -> BackendHarness:
        return _harness(here, tmp_path, array=8)


class TestJobArraysOverSsh(PackContract):
    """The sessions of a push as tasks of a job array."""

    @pytest.fixture
    def harness(self, tmp_path: Path, behind_ssh: LoginNode) -> BackendHarness:
        return _harness(behind_ssh, tmp_path, array=8)
