"""Which cluster is meant, and what `doctor` finds."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.backends.ray.client import Jobs
from orchestrator.backends.ray.health_check import examine
from orchestrator.backends.ray.storage import open_storage
from orchestrator.core.errors import BadInput, RemoteUnavailable
from orchestrator.core.section.ray import RaySettings
from orchestrator.wiring.ray import ray_backend, with_address
from tests.doubles.memory_ray import MemoryRay

HEAD, OTHER = "http://head:8265", "http://other:8265"


@pytest.mark.parametrize(
    ("card", "environ", "address"),
    [
        (HEAD, {}, HEAD),
        ("", {"RAY_ADDRESS": HEAD}, HEAD),
        (HEAD, {"RAY_ADDRESS": f"{HEAD}/"}, f"{HEAD}/"),
        ("", {"RAY_API_SERVER_ADDRESS": HEAD, "RAY_ADDRESS": OTHER}, HEAD),
    ],
)
def test_the_cluster_that_the_client_will_use(card: str, environ: dict[str, str], address: str) -> None:
    assert with_address(RaySettings(address=card), environ).address == address


@pytest.mark.parametrize(
    ("card", "environ", "words"),
    [
        ("", {}, "no Ray cluster is named"),
        (HEAD, {"RAY_ADDRESS": OTHER}, f"RAY_ADDRESS another one: {OTHER}"),
        ("", {"RAY_ADDRESS": "auto"}, "RAY_ADDRESS: address must be that of Ray's dashboard"),
    ],
)
def test_no_cluster_or_two(card: str, environ: dict[str, str], words: str) -> None:
    with pytest.raises(BadInput, match=words):
        with_address(RaySettings(address=card), environ)


def test_a_card_without_a_storage_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RAY_ADDRESS", "RAY_API_SERVER_ADDRESS"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(BadInput, match="names no storage"):
        ray_backend(RaySettings(address=HEAD))


def _away(address: str) -> Jobs:
    raise RemoteUnavailable(f"Ray at {address}: refused", transient=True)


def test_doctor(tmp_path: Path) -> None:
    settings = RaySettings(address=HEAD, storage=f"file://{tmp_path}/s")
    checks = list(examine(settings, lambda address: Jobs(MemoryRay(), address), open_storage))
    assert [(one.name, one.good) for one in checks] == [
        ("Ray", True),
        ("storage", True),
        ("interpreter on the nodes", None),
    ]
    assert list((tmp_path / "s").iterdir()) == []
    (tmp_path / "file").touch()
    checks = list(examine(RaySettings(address=HEAD, storage=f"file://{tmp_path}/file/s"), _away, open_storage))
    assert [(one.name, one.good, one.remote) for one in checks[:2]] == [("Ray", False, True), ("storage", False, True)]
    assert [one.good for one in examine(RaySettings(address=HEAD), _away, open_storage)] == [False, False, None]
