"""The processes of a pack: places, the common deadline, a stop, and the death of either side."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from orchestrator.kernel.pack.capacity import Capacity
from orchestrator.kernel.pack.processes import Member
from orchestrator.kernel.pack.run import Pack
from orchestrator.kernel.session.stop_flag import StopFlag
from orchestrator.kernel.wire import MANIFEST_NAME, PACK_NAME, member_folder
from tests.conftest import PROJECT_ROOT

FAKE_MEMBER = """
import json, os, signal, sys, time
from pathlib import Path


def run_member(place):
    order = json.loads((place / "order.json").read_text())
    act, working = order["ticket"]["act"], Path(order["ticket"]["working"])
    shown = {name: os.environ.get(name) for name in ("CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS")}
    print("begun", json.dumps({"limit_s": order["limit_s"], **shown}), flush=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    if act == "wait":
        time.sleep(60)
    if act == "talk":
        for number in range(200):
            print("line", number, flush=True)
    if act == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if act == "odd":
        sys.stdout.buffer.write(b"caf\\xe9 without a line end")
    folder = working / f"member_{order['number']:02d}"
    folder.mkdir(parents=True)
    (folder / "session_manifest.json").write_text("{}")
    return 1 if act == "fail" else 0
"""


class PackBench:
    """Members whose code is a stand-in that each test chooses."""

    def __init__(self, root: Path) -> None:
        self.root, self.working = root, root / "working"
        self.lines: list[str] = []
        self.stop = StopFlag()

    def members(self, *acts: str, device: str = "cpu", deadline_s: float | None = 100.0) -> list[Member]:
        return [self._member(number, act, device, deadline_s) for number, act in enumerate(acts, 1)]

    def _member(self, number: int, act: str, device: str, deadline_s: float | None) -> Member:
        place = self.root / f"place{number}"
        code = place / "code" / "orchestrator" / "kernel" / "pack"
        code.mkdir(parents=True)
        for folder in (code, code.parent, code.parent.parent):
            (folder / "__init__.py").touch()
        (code / "member.py").write_text(FAKE_MEMBER, encoding="utf-8")
        spec = {"deadline_s": deadline_s, "device": device}
        ticket = {"nonce": str(number) * 32, "spec": spec, "act": act, "working": str(self.working)}
        return Member(number=number, ticket=ticket, place=place)

    def run(self, members: list[Member], capacity: Capacity, **injected: Callable[..., Any]) -> int:
        echo = self.lines.append
        return Pack(members, self.working, capacity=capacity, stop=self.stop, echo=echo, **injected).run()

    @property
    def record(self) -> dict[str, dict[str, Any]]:
        plain = json.loads((self.working / PACK_NAME).read_text(encoding="utf-8"))
        found: dict[str, dict[str, Any]] = plain["members"]
        return found

    def begun(self) -> dict[int, dict[str, Any]]:
        lines = [line.partition(" begun ") for line in self.lines]
        return {int(mark.strip("[]")): json.loads(text) for mark, begun, text in lines if begun}


@pytest.fixture
def bench(tmp_path: Path) -> PackBench:
    return PackBench(tmp_path)


def test_one_dead_and_one_failed_session_do_not_touch_the_others(bench: PackBench) -> None:
    assert bench.run(bench.members("", "die", "fail", "odd"), Capacity(cores=4)) == 137
    codes = {name: row["exit_code"] for name, row in bench.record.items()}
    assert codes == {"member_01": 0, "member_02": 137, "member_03": 1, "member_04": 0}
    assert (bench.working / member_folder(4) / MANIFEST_NAME).exists()
    assert "[2] The session ended with exit code 137 and without a manifest." in bench.lines
    assert "[4] caf\N{REPLACEMENT CHARACTER} without a line end" in bench.lines


def test_more_sessions_than_places_take_turns_and_share_the_deadline(bench: PackBench) -> None:
    assert bench.run(bench.members("", "", ""), Capacity(cores=2)) == 0
    assert bench.lines[0] == "3 sessions in this kernel, 2 side by side."
    begun, rows = bench.begun(), bench.record
    assert 49.0 < begun[1]["limit_s"] <= 50.0  # the third one gets the second half of one place
    assert 99.0 < begun[2]["limit_s"] <= 100.0
    first_end = min(rows["member_01"]["ended_s"], rows["member_02"]["ended_s"])
    assert rows["member_03"]["began_s"] >= first_end
    assert begun[3]["limit_s"] == pytest.approx(100.0 - rows["member_03"]["began_s"], abs=1.0)


def test_sessions_without_a_deadline_get_none(bench: PackBench) -> None:
    bench.run(bench.members("", "", deadline_s=None), Capacity(cores=1))
    assert [one["limit_s"] for one in bench.begun().values()] == [None, None]


def test_each_session_sees_its_own_gpu_and_one_thread(bench: PackBench) -> None:
    bench.run(bench.members("", "", device="cuda"), Capacity(cores=8, gpus=("3", "5")))
    assert {one["CUDA_VISIBLE_DEVICES"] for one in bench.begun().values()} == {"3", "5"}
    assert {one["OMP_NUM_THREADS"] for one in bench.begun().values()} == {"1"}


def test_a_stop_reaches_all_sessions_and_starts_no_further_one(bench: PackBench) -> None:
    def ask() -> None:
        while len(bench.begun()) < 2:
            time.sleep(0.02)
        time.sleep(0.2)
        bench.stop.request()

    thread = threading.Thread(target=ask)
    thread.start()
    assert bench.run(bench.members("wait", "wait", "wait"), Capacity(cores=2)) == 0
    thread.join()
    assert "[3] Not started: the kernel was asked to stop." in bench.lines
    assert {row["exit_code"] for row in bench.record.values()} == {0}
    assert "began_s" not in bench.record["member_03"]


def test_a_session_that_cannot_be_started_is_the_only_one_that_fails(bench: PackBench) -> None:
    members = bench.members("", "")
    (members[0].place / "order.json").mkdir()
    assert bench.run(members, Capacity(cores=1)) == 1
    assert [row["exit_code"] for row in bench.record.values()] == [1, 0]
    assert any(line.startswith("[1] The session could not be started: ") for line in bench.lines)


def test_lines_of_sessions_side_by_side_do_not_mix(bench: PackBench) -> None:
    inside, most = 0, 0

    def slow(line: str) -> None:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        time.sleep(0.0005)
        inside -= 1
        bench.lines.append(line)

    pack = Pack(bench.members("talk", "talk"), bench.working, capacity=Capacity(cores=2), stop=bench.stop, echo=slow)
    assert pack.run() == 0
    assert most == 1
    assert len([line for line in bench.lines if " line " in line]) == 400


def test_killing_the_kernel_ends_its_sessions() -> None:
    """The member's process watches the pack's: a time limit kills only the kernel itself."""
    script = (
        "import os, subprocess, sys, time\n"
        "code = 'import threading, time; from orchestrator.kernel.pack.member import _leave_with_the_pack as leave;"
        " threading.Thread(target=leave, daemon=True).start(); print(1, flush=True); time.sleep(60)'\n"
        "one = subprocess.Popen([sys.executable, '-c', code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)\n"
        "one.stdout.readline(); print(one.pid, flush=True); time.sleep(60)\n"
    )
    kernel = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, cwd=PROJECT_ROOT)
    assert kernel.stdout is not None
    pid = int(kernel.stdout.readline())
    kernel.send_signal(signal.SIGKILL)
    kernel.wait()
    kernel.stdout.close()
    give_up_s = time.monotonic() + 10
    while _lives(pid):
        assert time.monotonic() < give_up_s, "the session outlives its kernel"
        time.sleep(0.05)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return "Z" not in Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
    except (ProcessLookupError, FileNotFoundError):
        return False
