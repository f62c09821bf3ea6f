"""A head for the tests of a module, and projects whose cards name it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from orchestrator.backends.ray.backend import RayBackend
from tests.ray.head import LoopbackRay, loopback_ray


@pytest.fixture(scope="module")
def cluster() -> Iterator[LoopbackRay]:
    with loopback_ray() as ray:
        yield ray


@pytest.fixture
def on_cluster(cluster: LoopbackRay, monkeypatch: pytest.MonkeyPatch) -> LoopbackRay:
    """The cluster, for commands in this process; sessions store their outputs each second."""
    for name, value in cluster.environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("orchestrator.backends.ray.backend.LOOK_EVERY_S", (0.5, 1.0))
    monkeypatch.setattr("orchestrator.wiring.ray.RayBackend", partial(RayBackend, sync_s=1.0))
    return cluster


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folder of a project."""
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.setenv("ORCHESTRATOR_ROOT", str(folder))
    return folder
