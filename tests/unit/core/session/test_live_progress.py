"""Steps, rate and time left of a session in flight, from its event file."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.core.session.live_progress import LiveProgress, measured

AT = "2026-01-01T00:00:{:02d}+00:00"


def progress(second: int, steps: Any, **fields: Any) -> dict[str, Any]:
    return {"at": AT.format(second), "kind": "progress", "steps": steps, "target_steps": 1000, **fields}


def test_its_own_rate_and_time_left_are_taken() -> None:
    found = measured([progress(0, 10), progress(5, 20, steps_per_s=40.0, eta_s=24.5)])
    assert found == {"steps": 20, "steps_per_s": 40.0, "eta_s": 24.5, "reported_at": AT.format(5)}


def test_a_rate_is_measured_between_reports_where_none_is_stated() -> None:
    found = measured([progress(0, 100), {"kind": "said", "at": AT.format(3)}, progress(10, 300)])
    assert (found["steps_per_s"], found["eta_s"]) == (20.0, 35.0)


@pytest.mark.parametrize("steps", [None, "12", True, float("nan"), float("inf"), -1])
def test_reports_that_state_no_usable_steps_are_left_out(steps: Any) -> None:
    assert measured([progress(0, 10), progress(9, steps)])["steps"] == 10


@pytest.mark.parametrize(
    "events",
    [[], [{}], [{"kind": "progress", "steps": 1}], [{"kind": "progress", "at": "soon", "steps": 1}]],
)
def test_nothing_is_known_without_a_usable_report(events: list[dict[str, Any]]) -> None:
    assert measured(events) == {}


def test_two_reports_at_one_moment_give_no_rate() -> None:
    assert measured([progress(1, 10), progress(1, 20)])["steps_per_s"] is None


def test_line_leaves_out_what_is_unknown() -> None:
    one = LiveProgress(
        session="s", backend="local", handle=None, stage="submitted", state="running", steps=5, target_steps=9
    )
    assert one.line == "5 of 9 steps | running"
