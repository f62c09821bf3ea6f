"""Long trainings on Slurm's real daemons: the controller is killed with -9 in the middle of a job."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.chain_contract import ChainContract, Engine
from tests.slurm.daemons import LoopbackSlurm, loopback_slurm


@pytest.fixture(scope="module")
def cluster() -> Iterator[LoopbackSlurm]:
    with loopback_slurm() as slurm:
        yield slurm


class TestSlurm(ChainContract):
    """All tests of the contract."""

    @pytest.fixture
    def engine(self, cluster: LoopbackSlurm, monkeypatch: pytest.MonkeyPatch) -> Engine:
        monkeypatch.setattr("orchestrator.backends.slurm.capabilities.LOOK_EVERY_S", (0.5, 1.0))
        for name in ("SLURM_CONF", "PATH"):
            monkeypatch.setenv(name, cluster.environ[name])

        def kill(root: Path, saved_steps: int) -> None:
            cluster.kill_controller()
            cluster.start_controller()

        return Engine(name="slurm", kill_daemon=kill, session_survives=True)
