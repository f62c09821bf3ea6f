"""A sandbox whose project was moved while its session ran, and locks on a read-only disk."""

from __future__ import annotations

import errno
import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from filelock import FileLock

from orchestrator.backends.local import processes
from orchestrator.backends.local.backend import LocalBackend
from orchestrator.backends.local.processes import held
from orchestrator.backends.local.sandbox import Sandbox, bring_back, read_json, sweep
from orchestrator.core.errors import RemoteUnavailable
from orchestrator.kernel.files.outputs import recent_events
from orchestrator.kernel.files.workspace import ROOT_VARIABLE
from orchestrator.kernel.session.reporting import Reporter
from orchestrator.kernel.wire import MANIFEST_NAME
from tests.unit.kernel.makers import make_ticket


@pytest.fixture
def old(tmp_path: Path) -> Sandbox:
    return Sandbox(root=tmp_path / "before/.orchestrator/local/slug")


@pytest.fixture
def moved(tmp_path: Path, old: Sandbox) -> Sandbox:
    """The sandbox at its new place, with one file that the session wrote before the move."""
    sandbox = Sandbox(root=tmp_path / "after/.orchestrator/local/slug")
    sandbox.working.mkdir(parents=True)
    (sandbox.working / "first").write_text("1", encoding="utf-8")
    sandbox.launch.write_text(json.dumps({"environment": {ROOT_VARIABLE: str(old.kaggle)}}), encoding="utf-8")
    return sandbox


def write_outputs(sandbox: Sandbox, *names: str) -> None:
    for name in names:
        (sandbox.working / name).parent.mkdir(parents=True, exist_ok=True)
        (sandbox.working / name).write_text(name, encoding="utf-8")


def test_outputs_at_the_old_place_are_brought_back(tmp_path: Path, old: Sandbox, moved: Sandbox) -> None:
    write_outputs(old, "a/b", MANIFEST_NAME)
    bring_back(moved)
    assert sorted(path.name for path in moved.working.rglob("*") if path.is_file()) == ["b", "first", MANIFEST_NAME]
    assert not (tmp_path / "before").exists()
    bring_back(moved)


def test_outputs_without_a_manifest_stay_at_the_old_place_too(old: Sandbox, moved: Sandbox) -> None:
    write_outputs(old, "a/b")
    bring_back(moved)
    assert (moved.working / "a/b").is_file() and (old.working / "a/b").is_file()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no named pipes")
def test_links_and_pipes_among_the_outputs_stop_no_command(old: Sandbox, moved: Sandbox) -> None:
    write_outputs(old, "a/b")
    for name, target in (("dangling", "nowhere"), ("folder", "a"), ("file", "a/b")):
        (old.working / name).symlink_to(target)
    os.mkfifo(old.working / "a/pipe")
    for _ in range(3):  # at each look, until the session has written its manifest
        bring_back(moved)
    write_outputs(old, "a/late", MANIFEST_NAME)
    bring_back(moved)
    assert [(moved.working / name).readlink().name for name in ("dangling", "folder", "file")] == ["nowhere", "a", "b"]
    assert sorted(path.name for path in (moved.working / "a").iterdir()) == ["b", "late"]
    assert not old.root.exists()


def test_files_of_others_at_the_old_place_stay(tmp_path: Path, old: Sandbox, moved: Sandbox) -> None:
    write_outputs(old, MANIFEST_NAME)
    (tmp_path / "before/notes.txt").write_text("mine", encoding="utf-8")
    bring_back(moved)
    assert [path.name for path in (tmp_path / "before").iterdir()] == ["notes.txt"]


def test_the_sandbox_of_another_project_is_left_alone(old: Sandbox, moved: Sandbox) -> None:
    write_outputs(old, MANIFEST_NAME)
    old.submitted.write_text("{}", encoding="utf-8")
    bring_back(moved)
    assert not (moved.working / MANIFEST_NAME).exists() and old.submitted.exists()


def test_a_command_that_may_not_write_brings_nothing_back(
    old: Sandbox, moved: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_outputs(old, MANIFEST_NAME)
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    bring_back(moved)
    assert not (moved.working / MANIFEST_NAME).exists()


@pytest.mark.skipif(os.name == "nt", reason="needs flock")
@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES])
def test_a_lock_is_seen_where_nothing_can_be_written(
    tmp_path: Path, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "lock"

    class ReadOnly(FileLock):  # type: ignore[misc]  # the base class is untyped
        def acquire(self, *args: object, **words: object) -> None:
            raise OSError(number, os.strerror(number), str(path))

    with FileLock(path):
        monkeypatch.setattr(processes, "FileLock", ReadOnly)
        assert held(path)
    assert path.exists() and not held(path)


@pytest.mark.parametrize("content", [b'{"nonce": "x"}', b"5", b'{"environment": 5}', b"\xff"])
def test_a_damaged_launch_file_is_no_move(content: bytes, tmp_path: Path) -> None:
    sandbox = Sandbox(root=tmp_path / "slug")
    sandbox.working.mkdir(parents=True)
    sandbox.launch.write_bytes(content)
    bring_back(sandbox)
    assert list(sandbox.working.iterdir()) == []


def test_a_launch_file_may_name_a_folder_that_is_not_utf_8(tmp_path: Path) -> None:
    sandbox = Sandbox(root=tmp_path)
    plan = {"environment": {ROOT_VARIABLE: os.fsdecode(b"/caf\xe9/slug/kaggle")}}
    sandbox.launch.write_text(json.dumps(plan), encoding="utf-8")
    assert read_json(sandbox.launch) == plan


def test_a_file_that_cannot_be_read_now_is_not_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sandbox = Sandbox(root=tmp_path)
    sandbox.submitted.write_text('{"nonce": "n", "at": "x"}', encoding="utf-8")

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(OSError, match="Too many open files"):
        read_json(sandbox.submitted)


def test_a_damaged_record_of_a_submit_is_no_reason_to_push_again(tmp_path: Path) -> None:
    sandbox = Sandbox(root=tmp_path / "slug")
    sandbox.root.mkdir()
    sandbox.submitted.write_bytes(b"\0\0")
    with pytest.raises(RemoteUnavailable, match="whether its session runs is not known"):
        LocalBackend(tmp_path).find(make_ticket(), "slug")


@pytest.mark.parametrize("form", ["{victim}/kaggle", "../kaggle", "{victim}/../victim/.orchestrator/local/slug/kaggle"])
def test_only_the_place_of_the_same_session_is_an_old_place(
    form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A person may have edited the file: nothing in another folder is copied or removed."""
    victim = tmp_path / "victim"
    for working in (victim / "kaggle/working", victim / ".orchestrator/local/slug/kaggle/working"):
        working.mkdir(parents=True)
        (working / MANIFEST_NAME).write_text("{}", encoding="utf-8")
    (victim / "thesis.txt").write_text("mine", encoding="utf-8")
    sandbox = Sandbox(root=victim / "kaggle/project/.orchestrator/local/slug")
    sandbox.working.mkdir(parents=True)
    plan = {"environment": {ROOT_VARIABLE: form.format(victim=victim)}}
    sandbox.launch.write_text(json.dumps(plan), encoding="utf-8")
    monkeypatch.chdir(victim / "kaggle")
    before = sorted(victim.rglob("*"))
    bring_back(sandbox)
    assert sorted(victim.rglob("*")) == before


def test_a_stray_file_among_the_sandboxes_blocks_nothing(tmp_path: Path) -> None:
    (tmp_path / ".DS_Store").write_bytes(b"x")
    sweep(tmp_path)
    assert (tmp_path / ".DS_Store").exists()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such pipes")
def test_a_pipe_in_place_of_the_events_holds_nothing_up(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "events.jsonl")
    assert list(recent_events(tmp_path / "events.jsonl")) == []
    with pytest.raises(FileExistsError):
        Reporter(tmp_path / "events.jsonl", echo=print, now=lambda: datetime.now(UTC), monotonic=lambda: 0.0)
