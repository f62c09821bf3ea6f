"""Long trainings on a real head that is killed with -9 in the middle of a job, and that job with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contract.chain_contract import ChainContract, Engine
from tests.ray.head import LoopbackRay, wait_until
from tests.ray.projects import block


class TestRay(ChainContract):
    """All tests of the contract."""

    @pytest.fixture
    def engine(self, on_cluster: LoopbackRay, monkeypatch: pytest.MonkeyPatch) -> Engine:
        monkeypatch.setattr("orchestrator.backends.ray.observation.SILENT_S", 10.0)

        def kill(root: Path, saved_steps: int) -> None:
            name = f"_checkpoint_{saved_steps}_steps.zip"
            wait_until(lambda: _stored(on_cluster, name), lambda: f"{name} is not stored")
            on_cluster.kill()
            on_cluster.start()

        return Engine(name="ray", kill_daemon=kill, session_survives=False, card={"ray": block(on_cluster)})


def _stored(cluster: LoopbackRay, text: str) -> bool:
    """Whether a second session has stored an output with that text in its path."""
    return any(text in path.read_text() for path in cluster.storage.glob("*-s02/starts/*/index-*.json"))
