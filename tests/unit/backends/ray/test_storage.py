"""The storage: any file system of fsspec, its faults as one line, and what is not installed."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from orchestrator.backends.ray.storage import Storage, open_storage
from orchestrator.core.errors import BadInput, RemoteUnavailable


@pytest.fixture(params=["file", "memory"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    return open_storage(f"file://{tmp_path}/s" if request.param == "file" else f"memory://{tmp_path.name}/s", {})


def test_files_are_stored_listed_fetched_and_deleted(storage: Storage, tmp_path: Path) -> None:
    assert storage.names() == [] and storage.names("a") == []
    storage.write("a/one", b"1")
    storage.write("a/one", b"2")
    (tmp_path / "source").write_bytes(b"source")
    storage.put(tmp_path / "source", "a/deep/two")
    assert storage.names() == ["a"] and storage.names("a") == ["deep", "one"]
    assert storage.read("a/one") == b"2" and storage.read("a/none") is None and storage.read("b/none") is None
    assert storage.exists("a/one") and not storage.exists("a/none")
    assert storage.get("a/deep/two", tmp_path / "copy") and (tmp_path / "copy").read_bytes() == b"source"
    assert not storage.get("a/none", tmp_path / "copy")
    storage.remove("a")
    storage.remove("a")
    assert storage.names() == []


class Broken:
    """A file system whose every call fails in its own way."""

    def __getattr__(self, name: str) -> Any:
        def fail(*_: object, **__: object) -> None:
            raise PermissionError("AccessDenied:\n  no entry")

        return fail


def test_a_fault_is_one_line_with_the_address(tmp_path: Path) -> None:
    storage = Storage(Broken(), "bucket/runs", "s3://bucket/runs")
    (tmp_path / "x").touch()
    for act in (
        storage.names,
        lambda: storage.exists("x"),
        lambda: storage.read("x"),
        lambda: storage.write("x", b""),
        lambda: storage.put(tmp_path / "x", "x"),
        lambda: storage.get("x", tmp_path / "y"),
        lambda: storage.remove("x"),
    ):
        with pytest.raises(RemoteUnavailable) as caught:
            act()
        assert str(caught.value) == "the storage s3://bucket/runs: AccessDenied: no entry"
        assert caught.value.transient and "ray.storage" in caught.value.remedy


def test_a_full_disk_here_is_no_fault_of_the_storage(tmp_path: Path) -> None:
    storage = open_storage(f"file://{tmp_path}/s", {})
    storage.write("one", b"1")
    with pytest.raises(FileNotFoundError):
        storage.get("one", tmp_path / "no" / "folder")


def test_an_unknown_protocol_is_bad_input() -> None:
    with pytest.raises(BadInput, match="nosuch"):
        open_storage("nosuch://bucket/runs", {})


def test_a_file_system_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(RemoteUnavailable, match="s3:// needs a package") as caught:
        open_storage("s3://bucket/runs", {})
    assert "python -m pip install s3fs" in caught.value.remedy


def test_without_fsspec_the_command_to_install_it_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(RemoteUnavailable, match="needs fsspec") as caught:
        open_storage("file:///shared", {})
    assert "python -m pip install fsspec 'ray[default]'" in caught.value.remedy
