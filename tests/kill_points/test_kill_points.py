"""A kill or a power cut at any point loses nothing and repeats nothing; the points are counted in several ways."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from orchestrator.backends.local.sandbox import Sandbox, sweep
from tests.kill_points import system_trace
from tests.kill_points.__main__ import conclusion, every_proof, failing_saves, proven
from tests.kill_points.proof import COLUMNS, Row
from tests.kill_points.scenarios import SCENARIOS, Size

POINTS = {
    "restore": 120,
    "restore-linked": 127,
    "fresh": 23,
    "fresh-linked": 44,
    "rotation": 70,
    "kernel": 132,
    "run": 291,
    "run-fresh": 172,
    "cancel": 218,
    "tick": 571,
    "packing": 551,
    "run-local": 290,
    "cancel-local": 117,
    "supervisor": 17,
    "supervisor-and-kernel": 17,
}
"""Side effects of each scenario. Another number means that the program does more or less than before: look at it."""


@pytest.mark.parametrize("size", SCENARIOS, ids=lambda size: size.kind.name)
def test_a_kill_at_any_point_loses_and_repeats_nothing(size: Size) -> None:
    row = proven(size, pairs=0, every=size.fast)
    assert row.faults == []
    observed, second = row.both_counts()
    assert observed == second, "a side effect that is no kill point"
    assert row.points == POINTS[row.name]


@pytest.mark.prove
@pytest.mark.parametrize("size", SCENARIOS, ids=lambda size: size.kind.name)
def test_two_kills_and_real_kills_lose_and_repeat_nothing(size: Size) -> None:
    for row in every_proof(size, pairs=size.pairs, every=1):
        assert row.faults == []


def test_a_save_that_fails_leaves_the_earlier_checkpoints() -> None:
    for row in failing_saves(every=12):
        assert row.faults == [] and row.kills > 9


@pytest.mark.skipif(not system_trace.is_possible(), reason="needs strace")
@pytest.mark.parametrize("name", ["restore", *(pytest.param(n, marks=pytest.mark.prove) for n in ("run", "tick"))])
def test_the_system_sees_the_same_side_effects(name: str) -> None:
    observed, system, flushed = system_trace.counts_of(name)
    assert {kind: observed[kind] for kind in system_trace.KINDS} == {kind: system[kind] for kind in system_trace.KINDS}
    # A durable commit flushes the log, and with a new log the folder, as the model of power cuts assumes.
    if observed["flushed commits"]:
        assert flushed["ledger.sqlite-wal"] >= observed["flushed commits"] and flushed[".orchestrator"] > 0


def test_the_conclusion_counts_the_faults_of_all_rows() -> None:
    rows = [Row("a", kills=3, pairs=2, cuts=9), Row("b", kills=1, faults=[(COLUMNS[-2], "before 1", "pushed twice")])]
    assert conclusion(rows) == ("4 kills, 2 second kills and 9 power cuts: 0 lost, 1 duplicated, 0 wrong")
    assert rows[1].cells()[-3:] == ["0", "1", "0"]


def test_what_a_killed_supervisor_leaves_is_removed_with_its_sandbox(tmp_path: Path) -> None:
    for number in range(4):
        sandbox = Sandbox(root=tmp_path / str(number))
        sandbox.working.mkdir(parents=True)
        sandbox.reserve.write_bytes(b"0")
        (sandbox.root / ".partial-exit.json").write_bytes(b"{")
        sandbox.submitted.write_bytes(b"{}")
        sandbox.fetched.touch()
        os.utime(sandbox.fetched, (number, number))
    sweep(tmp_path)
    assert [path.name for path in (tmp_path / "0").iterdir()] == ["submitted.json"]
    assert Sandbox(root=tmp_path / "1").reserve.exists()
