"""Where `prove` ends a process, and at which steps digests are due."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from orchestrator.kernel.outcome import SessionRefused
from orchestrator.kernel.training.cuts import KILL, STOP_AT, TRACE_AT, TRACE_FILE, Cuts, Trace, joined


def test_without_variables_nothing_happens() -> None:
    cuts, trace = Cuts({}, 0), Trace({}, 0)
    assert not cuts.wants_to_leave(10**9) and not cuts.wants_save(10**9)
    assert not trace.is_on and not trace.is_due(10**9)
    trace.write({"step": 1})


@pytest.mark.parametrize(("start", "leaves_at"), [(0, 120), (119, 120), (120, 340), (125, 340), (340, None)])
def test_it_leaves_at_the_first_listed_step_above_its_start(start: int, leaves_at: int | None) -> None:
    cuts = Cuts({STOP_AT: "340,120"}, start)
    left = next((step for step in range(start, 500) if cuts.wants_to_leave(step)), None)
    assert left == leaves_at


def test_it_saves_and_is_killed_one_pass_later() -> None:
    killed: list[int] = []
    cuts = Cuts({STOP_AT: "10,20", KILL: "10"}, 0, kill=lambda: killed.append(1))
    cuts.passed(12)
    assert not cuts.wants_save(8) and cuts.wants_save(12) and not cuts.wants_to_leave(12) and not killed
    cuts.saved(12)
    cuts.passed(12)
    assert not killed and not cuts.wants_save(16)
    cuts.passed(16)
    assert killed
    assert Cuts({STOP_AT: "10,20", KILL: "10"}, 12).wants_to_leave(20)


def test_program_is_stopped_instead() -> None:
    cuts = Cuts({STOP_AT: "10", KILL: "10"}, 0, kill=lambda: pytest.fail("killed"))
    cuts.never_kill()
    assert cuts.wants_to_leave(10)


def test_digests_are_due_once_for_each_listed_step(tmp_path: Path) -> None:
    trace = Trace({TRACE_FILE: str(tmp_path / "t"), TRACE_AT: joined([8, 1, 2, 4])}, 1)
    assert [step for step in (3, 3, 6, 9, 12) if trace.is_due(step)] == [3, 6, 9]
    trace.write({"step": 3})
    assert json.loads((tmp_path / "t").read_text(encoding="utf-8")) == {"step": 3}


def test_wrong_variable_is_named() -> None:
    with pytest.raises(SessionRefused, match=STOP_AT):
        Cuts({STOP_AT: "soon"}, 0)
