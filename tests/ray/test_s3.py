"""A training whose sessions travel through an object store: moto's server of S3 on the loopback."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.backends.ray.storage import open_storage
from orchestrator.cli.main import main
from orchestrator.core.errors import RemoteUnavailable
from tests.doubles.commands import orchestrate
from tests.doubles.toy_section import make_toy_project, read_card_file, set_behaviour, write_card
from tests.ray.head import LoopbackRay, loopback_ray
from tests.ray.projects import block

pytestmark = pytest.mark.timeout(900)
KEYS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_DEFAULT_REGION": "us-east-1"}


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = pytest.importorskip("moto.server").ThreadedMotoServer(ip_address="127.0.0.1", port=_free_port())
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(scope="module")
def cluster() -> Iterator[LoopbackRay]:
    """A head whose nodes have access to the store by variables of their own."""
    with loopback_ray(KEYS) as ray:
        yield ray


@pytest.fixture
def bucket(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> str:
    import s3fs

    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    s3fs.S3FileSystem(endpoint_url=endpoint, skip_instance_cache=True).makedirs("runs", exist_ok=True)
    return "s3://runs/sessions"


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
    return port


def test_an_object_store_keeps_files(bucket: str, endpoint: str, tmp_path: Path) -> None:
    storage = open_storage(bucket, {"endpoint_url": endpoint})
    assert storage.names() == [] and storage.read("a/none") is None and not storage.exists("a/none")
    (tmp_path / "large").write_bytes(bytes(range(256)) * 50_000)
    storage.put(tmp_path / "large", "a/large")
    storage.write("a/one", b"1")
    storage.write("a/one", b"2")
    assert storage.names() == ["a"] and storage.names("a") == ["large", "one"] and storage.read("a/one") == b"2"
    assert storage.get("a/large", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == (tmp_path / "large").read_bytes()
    storage.remove("a")
    storage.remove("a")
    assert storage.names() == []
    with pytest.raises(RemoteUnavailable, match="the storage s3://no-such-bucket/x"):
        open_storage("s3://no-such-bucket/x", {"endpoint_url": endpoint}).write("one", b"1")
    with pytest.raises(RemoteUnavailable, match="the storage s3://runs/x"):
        open_storage("s3://runs/x", {"endpoint_url": "http://127.0.0.1:9"}).names()


def test_three_jobs_make_one_training(
    on_cluster: LoopbackRay,
    root: Path,
    bucket: str,
    endpoint: str,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    behaviour = '{"1": {"do": "pause"}, "2": {"do": "pause"}}'
    for folder in (root, tmp_path / "near"):
        set_behaviour(make_toy_project(folder), behaviour)
    ray = block(on_cluster, storage=bucket, storage_options={"endpoint_url": endpoint})
    write_card(root, read_card_file(root) | {"ray": ray})
    assert main(["run", "section_7_6", "--quick", "--backend", "ray", "--json"]) == 0
    summary = json.loads(capfd.readouterr().out.splitlines()[-1])
    assert (summary["steps_done"], summary["sessions"]) == (40, 3)
    assert orchestrate(tmp_path / "near", "run", "section_7_6", "--quick").code == 0
    models = Path("validation_ch7/section_7_6_rl_performance/data/models")
    for path in (root / models).rglob("*.zip"):
        assert path.read_bytes() == (tmp_path / "near" / path.relative_to(root)).read_bytes(), path
