"""Several sessions in one kernel make what each of them makes alone."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from orchestrator.core.session.backend_types import CheckpointSet
from orchestrator.core.session.script import ticket_in, tickets_in
from orchestrator.kernel.files.digests import file_entry
from orchestrator.kernel.outcome import KernelEnding
from orchestrator.kernel.session.manifest import Manifest, read_manifest
from orchestrator.kernel.wire import PACK_NAME, member_folder, models_path, parse_report
from tests.doubles.packs import SeedSessions
from tests.doubles.toy_section import make_toy_project, set_behaviour

SECTION_DIR = "section_7_6_rl_performance"


def _start(script: str, root: Path) -> subprocess.Popen[str]:
    """Start a kernel with the standard library alone, as on a machine without this project."""
    (root / "tmp").mkdir(parents=True)
    (root / "kernel.py").write_text(script, encoding="utf-8")
    return subprocess.Popen(
        [sys.executable, "-I", "-S", str(root / "kernel.py")],
        env={**os.environ, "ORCHESTRATOR_KAGGLE_ROOT": str(root / "kaggle"), "TMPDIR": str(root / "tmp")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def _run(script: str, root: Path) -> tuple[int, str]:
    kernel = _start(script, root)
    log, _ = kernel.communicate(timeout=60)
    return kernel.returncode, log


def _working(root: Path, member: int | None = None) -> Path:
    working = root / "kaggle" / "working"
    return working if member is None else working / member_folder(member)


def _manifest(folder: Path) -> Manifest:
    manifest = read_manifest(folder)
    assert manifest is not None
    return manifest


def _weights(folder: Path) -> dict[str, bytes]:
    """Files of the training; cards and metadata hold the time at which they were written."""
    models = models_path(folder, SECTION_DIR)
    files = [path for path in models.rglob("[!.]*") if path.suffix in (".zip", ".npz")]  # none that is being written
    return {path.relative_to(models).as_posix(): path.read_bytes() for path in files}


@pytest.fixture
def sessions(tmp_path: Path) -> SeedSessions:
    return SeedSessions(make_toy_project(tmp_path / "project"))


def test_a_packed_session_makes_the_same_bytes_as_alone(sessions: SeedSessions, tmp_path: Path) -> None:
    tickets = [sessions.ticket(seed) for seed in range(3)]
    code, log = _run(sessions.script(*tickets), tmp_path / "pack")
    assert code == 0, log
    for number, ticket in enumerate(tickets, 1):
        alone = tmp_path / f"alone{number}"
        assert _run(sessions.script(ticket), alone)[0] == 0
        packed, single = _working(tmp_path / "pack", number), _working(alone)
        assert _weights(packed) == _weights(single) != {}
        names = [{path.relative_to(top).as_posix() for path in top.rglob("*")} for top in (packed, single)]
        assert names[0] == names[1]
        assert _manifest(packed).outcome == _manifest(single).outcome
        assert _manifest(packed).stamp == ticket.stamp()
    assert sorted(path.name for path in _working(tmp_path / "pack").iterdir()) == [
        *map(member_folder, (1, 2, 3)),
        PACK_NAME,
    ]
    assert list((tmp_path / "pack/tmp").iterdir()) == []  # all copies of the code are removed


def test_one_crash_and_one_failure_leave_the_others_as_they_are(sessions: SeedSessions, tmp_path: Path) -> None:
    set_behaviour(sessions.project, '{"2": {"do": "die_after_save"}, "3": {"do": "raise"}}')
    code, log = _run(sessions.script(*(sessions.ticket(seed) for seed in range(4))), tmp_path / "pack")
    assert code == 128 + signal.SIGKILL
    endings = [_manifest(_working(tmp_path / "pack", number)).outcome.ending for number in (1, 3, 4)]
    assert endings == [KernelEnding.FINISHED, KernelEnding.SECTION_FAILED, KernelEnding.FINISHED]
    dead = _working(tmp_path / "pack", 2)
    assert read_manifest(dead) is None and len(_weights(dead)) == 2  # its checkpoint can be restored
    record = json.loads((_working(tmp_path / "pack") / PACK_NAME).read_text(encoding="utf-8"))
    assert [row["exit_code"] for row in record["members"].values()] == [0, 137, 1, 0]
    assert "[3] RuntimeError: the toy failed on purpose" in log.splitlines()


def test_every_log_line_says_which_session_wrote_it(sessions: SeedSessions, tmp_path: Path) -> None:
    _, log = _run(sessions.script(*(sessions.ticket(seed) for seed in range(2))), tmp_path / "pack")
    first, *lines = log.splitlines()
    assert first == "2 sessions in this kernel, 2 side by side." or first.endswith("1 side by side.")
    for mark in ("[1] ", "[2] "):
        reports = [parse_report(line) for line in lines if line.startswith(mark)]
        assert [one["steps"] for one in reports if one and one["kind"] == "progress"] == [10, 20, 30, 40]
    assert all(line.startswith(("[1] ", "[2] ")) for line in lines)


def test_each_session_resumes_from_its_own_checkpoints(sessions: SeedSessions, tmp_path: Path) -> None:
    for seed in (0, 1):
        assert _run(sessions.script(sessions.ticket(seed)), tmp_path / f"first{seed}")[0] == 0
    sets = []
    for seed in (0, 1):
        models = models_path(_working(tmp_path / f"first{seed}"), SECTION_DIR)
        entries = tuple(file_entry(path, models) for path in sorted((models / "checkpoints").iterdir()))
        sets.append(CheckpointSet(root=models, entries=entries))
    resumed = [sessions.ticket(seed, profile="full", done=40, models=sets[seed]) for seed in (0, 1)]
    # The first one's checkpoints are mounted, the second one's are in the script.
    mount = tmp_path / "second/kaggle/input/renamed"
    mount.mkdir(parents=True)
    for place, entry in enumerate(sets[0].entries):
        (mount / f"{place}.bin").write_bytes((sets[0].root / entry.path).read_bytes())
    code, log = _run(sessions.script(*resumed, sessions.ticket(2), inline=(None, sets[1], None)), tmp_path / "second")
    assert code == 0, log
    outcomes = [_manifest(_working(tmp_path / "second", number)).outcome for number in (1, 2, 3)]
    assert [(one.steps_start, one.steps_done) for one in outcomes] == [(40, 100), (40, 100), (0, 40)]
    weights = _weights(_working(tmp_path / "second", 2))
    assert weights["checkpoints/traffic_light_control_checkpoint_100_steps.zip"] == b"model 1 after 100 steps"


def test_a_request_to_stop_reaches_every_session(sessions: SeedSessions, tmp_path: Path) -> None:
    entry = sessions.project / "validation_ch7" / SECTION_DIR / "entry.py"
    wait = (
        "        import time\n        while not context.must_leave: time.sleep(0.02)\n        if context.must_leave or"
    )
    entry.write_text(
        entry.read_text(encoding="utf-8").replace("        if context.must_leave or", wait), encoding="utf-8"
    )
    kernel = _start(sessions.script(*(sessions.ticket(seed) for seed in range(2))), tmp_path / "pack")
    give_up_s = time.monotonic() + 60
    while not all(_weights(_working(tmp_path / "pack", number)) for number in (1, 2)):
        assert time.monotonic() < give_up_s
        time.sleep(0.05)
    kernel.terminate()
    kernel.communicate(timeout=60)
    outcomes = [_manifest(_working(tmp_path / "pack", number)).outcome for number in (1, 2)]
    assert [(one.ending, one.steps_done) for one in outcomes] == [(KernelEnding.STOPPED, 10)] * 2
    assert kernel.returncode == 0


def test_all_tickets_are_read_back_from_a_script(sessions: SeedSessions) -> None:
    tickets = tuple(sessions.ticket(seed) for seed in range(3))
    assert tickets_in(sessions.script(*tickets)) == tickets
    assert tickets_in(sessions.script(tickets[0])) == tickets[:1]
    assert ticket_in(sessions.script(*tickets)) == tickets[0]
    assert tickets_in("print('hello')") == ()


def test_sessions_with_other_code_do_not_share_a_kernel(sessions: SeedSessions) -> None:
    first = sessions.ticket(0)
    set_behaviour(sessions.project, '{"*": {"do": "pause"}}')
    with pytest.raises(ValueError, match="same code"):
        sessions.script(sessions.ticket(1), first)
