"""The local backend fulfils the contract and has some guarantees of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from filelock import FileLock

from orchestrator.backends.local.backend import LocalBackend
from orchestrator.backends.local.installation import installed_versions
from orchestrator.backends.local.sandbox import Sandbox
from orchestrator.core.errors import BadInput, RemoteUnavailable
from orchestrator.core.session.backend_types import Push, SessionState
from orchestrator.core.session.end_reason import EndReason
from orchestrator.kernel.files.atomic import write_json
from orchestrator.kernel.files.digests import first_fault
from orchestrator.kernel.session.manifest import read_manifest
from tests.conftest import PROJECT_ROOT
from tests.contract.backend_contract import BackendContract, BackendHarness
from tests.doubles.processes import supervisor_of
from tests.doubles.toy_section import make_toy_project

PROJECT = str(PROJECT_ROOT)


@pytest.fixture
def harness(tmp_path: Path) -> BackendHarness:
    return BackendHarness(LocalBackend(tmp_path / "local"), make_toy_project(tmp_path / "project"))


class TestLocal(BackendContract):
    """All tests of the contract."""


def _insert_into_entry(project: Path, line: str) -> None:
    entry = project / "validation_ch7/section_7_6_rl_performance/entry.py"
    text = entry.read_text(encoding="utf-8")
    mark = "    parent, ending = latest, KernelEnding.FINISHED\n"
    entry.write_text(text.replace(mark, f"{mark}    import time\n{line}"), encoding="utf-8")


def test_kernel_over_its_wall_limit_ends_with_that_reason(
    harness: BackendHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    from orchestrator.backends.local import backend as module

    monkeypatch.setattr(module, "_WALL_FACTOR", 0.0)
    monkeypatch.setattr(module, "_WALL_EXTRA_S", 0.5)
    _insert_into_entry(harness.project, "    while True: time.sleep(0.05)\n")
    _, observation = harness.run(harness.push())
    assert observation.reason is EndReason.WALL_LIMIT
    assert observation.exit_code not in (0, None)


def test_sessions_share_a_folder_beside_the_sandboxes(harness: BackendHarness, tmp_path: Path) -> None:
    line = "    note = context.shared_dir; note.mkdir(exist_ok=True); (note / context.ticket.nonce).touch()\n"
    _insert_into_entry(harness.project, line)
    for session, nonce in ((1, "1" * 32), (2, "2" * 32)):
        _, observation = harness.run(harness.push(session=session, nonce=nonce))
        assert observation.exit_code == 0
    assert sorted(path.name for path in (tmp_path / "shared").iterdir()) == ["1" * 32, "2" * 32]


def test_kernel_that_outlives_its_supervisor_counts_as_running(harness: BackendHarness, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    _insert_into_entry(harness.project, f"    while not Path({str(gate)!r}).exists(): time.sleep(0.02)\n")
    push = harness.push()
    harness.backend.stage(push)
    handle = harness.backend.submit(push)
    while not list(harness.backend.follow(handle, 0)):
        assert harness.backend.observe(handle).state is SessionState.RUNNING
    os.kill(supervisor_of(tmp_path / "local" / push.slug), signal.SIGKILL)
    assert harness.backend.observe(handle).state is SessionState.RUNNING
    gate.touch()
    observation = harness.wait(handle)
    assert (observation.native, observation.exit_code) == ("vanished", 0)


def test_secrets_of_the_shell_do_not_reach_the_kernel(
    harness: BackendHarness, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("KAGGLE_KEY", "MY_TOKEN", "DB_PASSWORD", "AWS_SECRET_ACCESS_KEY", "SMTP_PASS", "SENTRY_DSN", "MY_KEY"):
        monkeypatch.setenv(name, "planted-secret")
    monkeypatch.setenv("DATABASE_URL", "postgres://ana:planted-secret@host/db")
    monkeypatch.setenv("SSH_AUTH_SOCK", "/run/planted-secret")
    _insert_into_entry(harness.project, "    print(sorted(os.environ.items()))\n")
    handle, _ = harness.run(harness.push())
    harness.backend.fetch(handle, tmp_path / "out" / "x")
    everything = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"ORCHESTRATOR_KAGGLE_ROOT" in everything
    assert b"planted-secret" not in everything


@pytest.mark.skipif(os.name == "nt", reason="pipes, and links without a privilege, are for POSIX systems")
def test_links_and_pipes_among_the_outputs_stop_nothing(harness: BackendHarness, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "large.bin").write_bytes(b"1" * 1000)
    made = (
        "    os.mkfifo('pipe'); os.symlink('nowhere', 'broken'); os.symlink('circle', 'circle')\n"
        f"    os.symlink({str(elsewhere)!r}, 'outside'); os.symlink('section_7_6_rl_performance', 'inside')\n"
        "    Path('plain.txt').write_text('x'); os.symlink('plain.txt', 'latest.txt')\n"
    )
    _insert_into_entry(harness.project, made)
    handle, _ = harness.run(harness.push())
    retrieval = harness.backend.fetch(handle, tmp_path / "out" / "x")
    assert [one.path for one in retrieval.files] == ["broken", "circle", "outside", "pipe"]
    assert "outside is a link to a folder outside of the outputs: not copied" in retrieval.missing
    folder = retrieval.folder
    assert (folder / "latest.txt").read_text("utf-8") == "x" and not (folder / "latest.txt").is_symlink()
    assert not any((folder / name).exists() for name in ("pipe", "broken", "circle", "outside", "inside"))
    manifest = read_manifest(folder)
    assert manifest is not None and first_fault(manifest.files, folder) is None


def test_second_submit_never_starts_the_same_session_again(harness: BackendHarness) -> None:
    push = harness.push()
    handle, _ = harness.run(push)
    harness.backend.stage(push)
    with pytest.raises(RemoteUnavailable):
        harness.backend.submit(push)
    lines = [line for line, _ in harness.backend.follow(handle, 0)]
    assert sum("Starting fresh training" in line for line in lines if not line.startswith("[ORC]")) == 1


def test_old_sandboxes_are_emptied_once_their_outputs_were_fetched(harness: BackendHarness, tmp_path: Path) -> None:
    for session in range(1, 6):
        handle, _ = harness.run(harness.push(session=session, nonce=str(session) * 32))
        harness.backend.fetch(handle, tmp_path / "out" / str(session))
    harness.backend.stage(harness.push(session=6))
    full = sorted(path.parent.name[-3:] for path in (tmp_path / "local").glob("*/kaggle"))
    assert full == ["s03", "s04", "s05", "s06"]
    assert len(list((tmp_path / "local").glob("*/submitted.json"))) == 5


@pytest.mark.parametrize("refused", ["rename", "rmtree"])
def test_sandbox_that_cannot_be_emptied_yet_is_not_adopted(
    harness: BackendHarness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: str
) -> None:
    """On Windows an open file can be neither moved nor deleted, but the files beside it can."""
    from orchestrator.backends.local import sandbox as module

    handles = []
    for session in range(1, 5):
        handle, _ = harness.run(harness.push(session=session, nonce=str(session) * 32))
        harness.backend.fetch(handle, tmp_path / "out" / str(session))
        handles.append(handle)
    lineage_id = harness.push().ticket.lineage_id
    oldest, fetched = tmp_path / "local" / handles[0].slug, _files(tmp_path / "out" / "1")

    def rename(source: Path, target: Path) -> None:
        raise PermissionError("in use")

    def rmtree(folder: Path, ignore_errors: bool = False) -> None:
        for path in [path for path in sorted(folder.rglob("*")) if path.is_file()][:1]:
            path.unlink()

    with monkeypatch.context() as patch:
        if refused == "rename":
            patch.setattr(Path, "rename", rename)
        else:
            patch.setattr(module.shutil, "rmtree", rmtree)
        harness.backend.stage(harness.push(session=6))
    assert (oldest / "fetched").exists()
    assert isinstance(harness.backend, LocalBackend) and harness.backend.recall(lineage_id) == []
    harness.backend.fetch(handles[0], tmp_path / "out" / "1")
    assert _files(tmp_path / "out" / "1") == fetched
    os.utime(oldest / "fetched", (0, 0))  # the repeated fetch made it the newest sandbox
    harness.backend.stage(harness.push(session=7, nonce="7" * 32))
    assert not (oldest / "fetched").exists() and not (oldest / "kaggle").exists()
    assert not (oldest / "emptied").exists() and (oldest / "submitted.json").exists()


def _files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_session_that_was_reported_absent_can_never_start(harness: BackendHarness) -> None:
    """The orchestrator died between planning and submitting; its supervisor may still be starting."""
    push = harness.push()
    harness.backend.stage(push)
    assert harness.backend.find(push.ticket, push.slug) is None
    with pytest.raises(RemoteUnavailable):
        harness.backend.submit(push)
    assert harness.backend.find(push.ticket, push.slug) is None


def test_kernel_without_its_lock_counts_as_running_for_a_while(harness: BackendHarness, tmp_path: Path) -> None:
    push = harness.push()
    harness.backend.stage(push)
    sandbox = Sandbox(root=tmp_path / "local" / push.slug)
    write_json(sandbox.submitted, {"nonce": push.ticket.nonce, "at": "now"})
    handle = harness.backend.find(push.ticket, push.slug)
    assert handle is not None
    assert harness.backend.observe(handle).state is SessionState.RUNNING
    long_ago_s = time.time() - 60.0
    os.utime(sandbox.submitted, (long_ago_s, long_ago_s))
    assert harness.backend.observe(handle).native == "vanished"


def _unbegun(harness: BackendHarness, tmp_path: Path) -> tuple[Push, Sandbox]:
    """A session whose supervisor was killed after it had recorded the submit, and before it started the kernel."""
    push = harness.push()
    harness.backend.stage(push)
    sandbox = Sandbox(root=tmp_path / "local" / push.slug)
    write_json(sandbox.submitted, {"nonce": push.ticket.nonce, "at": "now"})
    return push, sandbox


def test_a_session_that_never_began_is_started_again_under_its_name(harness: BackendHarness, tmp_path: Path) -> None:
    push, sandbox = _unbegun(harness, tmp_path)
    handle = harness.backend.find(push.ticket, push.slug)
    assert handle is not None and harness.backend.never_began(handle)
    assert harness.backend.never_began(handle), "a second look after a kill says the same"
    assert harness.backend.find(push.ticket, push.slug) is None
    late = [str(path) for path in (sandbox.kernel_lock, sandbox.kernel_begun, sandbox.launch)]
    command = [sys.executable, str(Path(PROJECT) / "orchestrator/backends/local/launcher.py"), *late]
    script = [push.ticket.nonce, str(sandbox.script)]
    done = subprocess.run([*command, *script], capture_output=True, text=True, timeout=60)
    assert "was withdrawn" in done.stderr and not sandbox.kernel_begun.exists()
    again = harness.push(nonce="9" * 32)
    assert again.slug == push.slug
    harness.backend.stage(again)
    done = subprocess.run([*command, *script], capture_output=True, text=True, timeout=60)  # later still
    assert "was withdrawn" in done.stderr and not sandbox.kernel_begun.exists()
    _, observation = harness.run(again)
    assert observation.exit_code == 0
    assert not harness.backend.never_began(handle) and sandbox.submitted.exists()


@pytest.mark.parametrize("lock", ["supervisor_lock", "kernel_lock"])
def test_a_session_that_may_still_begin_is_not_withdrawn(harness: BackendHarness, tmp_path: Path, lock: str) -> None:
    push, sandbox = _unbegun(harness, tmp_path)
    handle = harness.backend.find(push.ticket, push.slug)
    assert handle is not None
    with FileLock(getattr(sandbox, lock)):
        assert not harness.backend.never_began(handle)
    assert sandbox.launch.exists() and sandbox.submitted.exists()


def test_kernel_with_an_unlocked_new_lock_file_is_starting(harness: BackendHarness, tmp_path: Path) -> None:
    """The supervisor was killed; the kernel has created its lock file but does not hold the lock yet."""
    push = harness.push()
    harness.backend.stage(push)
    root = tmp_path / "local" / push.slug
    (root / "submitted.json").write_text(f'{{"nonce": "{push.ticket.nonce}", "at": "2026-01-01"}}')
    (root / "kernel.lock").touch()
    handle = harness.backend.find(push.ticket, push.slug)
    assert handle is not None
    assert harness.backend.observe(handle).native == "starting"
    (root / "kernel.begun").touch()  # it held the lock, which is free now: the kernel has ended
    assert harness.backend.observe(handle).native == "vanished"


def test_supervisor_runs_its_kernel_after_its_starter_died(harness: BackendHarness, tmp_path: Path) -> None:
    push = harness.push()
    harness.backend.stage(push)
    root = tmp_path / "local" / push.slug
    reader, writer = os.pipe()
    os.close(reader)  # no process reads the supervisor's output
    words = [sys.executable, "-m", "orchestrator.backends.local.supervisor", str(root)]
    done = subprocess.run(words, stdout=writer, check=False, timeout=60, env={**os.environ, "PYTHONPATH": PROJECT})
    os.close(writer)
    assert done.returncode == 0
    handle = harness.backend.find(push.ticket, push.slug)
    assert handle is not None
    assert harness.backend.observe(handle).exit_code == 0


def test_installed_versions_omit_build_suffixes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.metadata.version", lambda name: "2.13.0+cpu")
    assert installed_versions()["torch"] == "2.13.0"


def test_only_what_the_code_imports_must_be_installed(
    harness: BackendHarness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestrator.backends.local.backend.installed_versions", lambda: {"python": "3.11.7"})
    push = harness.push()
    with pytest.raises(BadInput, match="section_7_6 imports gymnasium, stable_baselines3, which") as caught:
        harness.backend.stage(replace(push, libraries=("gymnasium", "stable_baselines3", "yaml")))
    assert "python -m pip install gymnasium stable-baselines3" in caught.value.remedy
    assert not (tmp_path / "local").exists()
    harness.backend.stage(push)  # the standard library alone is enough for it
    assert (tmp_path / "local" / push.slug).is_dir()
