"""The local backend keeps the contract, and some promises of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from orchestrator.backends.local.backend import LocalBackend
from orchestrator.backends.local.installation import installed_versions
from orchestrator.backends.local.sandbox import Sandbox
from orchestrator.core.errors import RemoteUnavailable
from orchestrator.core.session.backend_types import SessionState
from orchestrator.core.session.end_reason import EndReason
from orchestrator.kernel.files.atomic import write_json
from tests.conftest import PROJECT_ROOT
from tests.contract.backend_contract import BackendContract, Stall
from tests.doubles.toy_section import make_toy_project

PROJECT = str(PROJECT_ROOT)


@pytest.fixture
def stall(tmp_path: Path) -> Stall:
    return Stall(LocalBackend(tmp_path / "local"), make_toy_project(tmp_path / "project"))


class TestLocal(BackendContract):
    """Every promise of the contract."""


def _endless(project: Path, line: str) -> None:
    entry = project / "validation_ch7/section_7_6_rl_performance/entry.py"
    text = entry.read_text(encoding="utf-8")
    mark = "    parent, ending = latest, KernelEnding.FINISHED\n"
    entry.write_text(text.replace(mark, f"{mark}    import time\n{line}"), encoding="utf-8")


def test_a_kernel_over_its_wall_is_ended_and_said_to_be(stall: Stall, monkeypatch: pytest.MonkeyPatch) -> None:
    from orchestrator.backends.local import backend as room

    monkeypatch.setattr(room, "_WALL_FACTOR", 0.0)
    monkeypatch.setattr(room, "_WALL_EXTRA_S", 0.5)
    _endless(stall.project, "    while True: time.sleep(0.05)\n")
    _, observation = stall.run(stall.push())
    assert observation.reason is EndReason.WALL_LIMIT
    assert observation.exit_code not in (0, None)


def test_a_kernel_that_outlives_its_supervisor_is_still_running(stall: Stall, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    _endless(stall.project, f"    while not Path({str(gate)!r}).exists(): time.sleep(0.02)\n")
    push = stall.push()
    stall.backend.stage(push)
    handle = stall.backend.submit(push)
    while not list(stall.backend.follow(handle, 0)):
        assert stall.backend.observe(handle).state is SessionState.RUNNING
    os.kill(_supervisor_of(tmp_path / "local" / push.slug), signal.SIGKILL)
    assert stall.backend.observe(handle).state is SessionState.RUNNING
    gate.touch()
    observation = stall.wait(handle)
    assert (observation.native, observation.exit_code) == ("vanished", 0)


def _supervisor_of(sandbox: Path) -> int:
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                words = (process / "cmdline").read_bytes().split(b"\0")
            except (FileNotFoundError, ProcessLookupError):
                continue  # it ended while this looked
            if b"orchestrator.backends.local.supervisor" in words and str(sandbox).encode() in words:
                return int(process.name)
    raise AssertionError("no supervisor")


def test_secrets_of_the_shell_do_not_reach_the_kernel(
    stall: Stall, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("KAGGLE_KEY", "MY_TOKEN", "DB_PASSWORD", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "planted-secret")
    _endless(stall.project, "    print(sorted(os.environ.items()))\n")
    handle, _ = stall.run(stall.push())
    stall.backend.fetch(handle, tmp_path / "out" / "x")
    everything = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"ORCHESTRATOR_KAGGLE_ROOT" in everything
    assert b"planted-secret" not in everything


def test_a_second_supervisor_never_starts_the_same_session_again(stall: Stall) -> None:
    push = stall.push()
    handle, _ = stall.run(push)
    stall.backend.stage(push)
    with pytest.raises(RemoteUnavailable):
        stall.backend.submit(push)
    lines = [line for line, _ in stall.backend.follow(handle, 0)]
    assert sum("Starting fresh training" in line for line in lines if not line.startswith("[ORC]")) == 1


def test_old_sandboxes_are_emptied_once_their_outputs_were_fetched(stall: Stall, tmp_path: Path) -> None:
    for session in range(1, 6):
        handle, _ = stall.run(stall.push(session=session, nonce=str(session) * 32))
        stall.backend.fetch(handle, tmp_path / "out" / str(session))
    stall.backend.stage(stall.push(session=6))
    full = sorted(path.parent.name[-3:] for path in (tmp_path / "local").glob("*/kaggle"))
    assert full == ["s03", "s04", "s05", "s06"]
    assert len(list((tmp_path / "local").glob("*/submitted.json"))) == 5


@pytest.mark.parametrize("refused", ["rename", "rmtree"])
def test_a_sandbox_that_cannot_be_emptied_yet_is_no_session_to_be_taken_up(
    stall: Stall, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: str
) -> None:
    """On Windows an open file can be neither moved nor removed, and what lies beside it can."""
    from orchestrator.backends.local import sweeping as room

    handles = []
    for session in range(1, 5):
        handle, _ = stall.run(stall.push(session=session, nonce=str(session) * 32))
        stall.backend.fetch(handle, tmp_path / "out" / str(session))
        handles.append(handle)
    lineage_id = stall.push().ticket.lineage_id
    oldest, whole = tmp_path / "local" / handles[0].slug, _files(tmp_path / "out" / "1")

    def rename(source: Path, target: Path) -> None:
        raise PermissionError("in use")

    def rmtree(folder: Path, ignore_errors: bool = False) -> None:
        for path in [path for path in sorted(folder.rglob("*")) if path.is_file()][:1]:
            path.unlink()

    with monkeypatch.context() as open_elsewhere:
        if refused == "rename":
            open_elsewhere.setattr(Path, "rename", rename)
        else:
            open_elsewhere.setattr(room.shutil, "rmtree", rmtree)
        stall.backend.stage(stall.push(session=6))
    assert (oldest / "fetched").exists()
    assert isinstance(stall.backend, LocalBackend) and stall.backend.recall(lineage_id) == []
    stall.backend.fetch(handles[0], tmp_path / "out" / "1")
    assert _files(tmp_path / "out" / "1") == whole
    os.utime(oldest / "fetched", (0, 0))  # what was fetched once more is the newest
    stall.backend.stage(stall.push(session=7, nonce="7" * 32))
    assert not (oldest / "fetched").exists() and not (oldest / "kaggle").exists()
    assert not (oldest / "emptied").exists() and (oldest / "submitted.json").exists()


def _files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_session_that_was_not_found_can_never_start(stall: Stall) -> None:
    """The orchestrator died between intent and submit; its supervisor may still be on its way."""
    push = stall.push()
    stall.backend.stage(push)
    assert stall.backend.find(push.ticket, push.slug) is None
    with pytest.raises(RemoteUnavailable):
        stall.backend.submit(push)
    assert stall.backend.find(push.ticket, push.slug) is None


def test_a_kernel_on_its_way_to_its_lock_is_not_gone(stall: Stall, tmp_path: Path) -> None:
    push = stall.push()
    stall.backend.stage(push)
    sandbox = Sandbox(root=tmp_path / "local" / push.slug)
    write_json(sandbox.submitted, {"nonce": push.ticket.nonce, "at": "now"})
    handle = stall.backend.find(push.ticket, push.slug)
    assert handle is not None
    assert stall.backend.observe(handle).state is SessionState.RUNNING
    long_ago_s = time.time() - 60.0
    os.utime(sandbox.submitted, (long_ago_s, long_ago_s))
    assert stall.backend.observe(handle).native == "vanished"


def test_a_kernel_between_its_lock_file_and_its_lock_is_not_taken_for_dead(stall: Stall, tmp_path: Path) -> None:
    """The supervisor is killed, and the kernel has made the lock's file and does not hold it yet."""
    push = stall.push()
    stall.backend.stage(push)
    root = tmp_path / "local" / push.slug
    (root / "submitted.json").write_text(f'{{"nonce": "{push.ticket.nonce}", "at": "2026-01-01"}}')
    (root / "kernel.lock").touch()
    handle = stall.backend.find(push.ticket, push.slug)
    assert handle is not None
    assert stall.backend.observe(handle).native == "starting"
    (root / "kernel.begun").touch()  # it had the lock, and the lock is free: it is gone
    assert stall.backend.observe(handle).native == "vanished"


def test_a_supervisor_whose_starter_is_dead_runs_its_kernel(stall: Stall, tmp_path: Path) -> None:
    push = stall.push()
    stall.backend.stage(push)
    root = tmp_path / "local" / push.slug
    reader, writer = os.pipe()
    os.close(reader)  # nobody will ever read its word
    words = [sys.executable, "-m", "orchestrator.backends.local.supervisor", str(root)]
    done = subprocess.run(words, stdout=writer, check=False, timeout=60, env={**os.environ, "PYTHONPATH": PROJECT})
    os.close(writer)
    assert done.returncode == 0
    handle = stall.backend.find(push.ticket, push.slug)
    assert handle is not None
    assert stall.backend.observe(handle).exit_code == 0


def test_versions_are_compared_without_their_builds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.metadata.version", lambda name: "2.13.0+cpu")
    assert installed_versions()["torch"] == "2.13.0"
