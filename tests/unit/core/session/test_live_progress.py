"""Steps, rate and time left of a session in flight, from its event file."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from orchestrator.core.session.live_progress import LiveProgress, measured

AT = "2026-01-01T00:00:{:02d}+00:00"


def progress(second: int, steps: Any, **fields: Any) -> dict[str, Any]:
    return {"at": AT.format(second), "kind": "progress", "steps": steps, "target_steps": 1000, **fields}


def test_its_own_rate_and_time_left_are_taken() -> None:
    found = measured([progress(0, 10), progress(5, 20, steps_per_s=40.0, eta_s=24.5)])
    assert found == {
        **{"steps": 20, "steps_per_s": 40.0, "eta_s": 24.5, "reward": None, "reported_at": AT.format(5)},
    }


@pytest.mark.parametrize("name", ["reward_mean", "reward", "score"])
def test_reward_of_the_latest_report_is_taken_whatever_its_usual_name(name: str) -> None:
    assert measured([progress(0, 10, **{name: 3.0}), progress(5, 20, **{name: -223.5})])["reward"] == -223.5


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "9", True, None, 1e300])
def test_reward_that_is_no_usable_number_is_unknown(value: Any) -> None:
    assert measured([progress(0, 10, reward_mean=value)])["reward"] is None


def test_deadline_is_that_of_the_newest_event_that_states_one() -> None:
    now = datetime(2026, 1, 1, 0, 0, 30, tzinfo=UTC)
    started = {"kind": "started", "at": AT.format(0), "deadline_at": "2026-01-01T00:01:00+00:00"}
    assert measured([started], now) == {"deadline_at": "2026-01-01T00:01:00+00:00", "deadline_in_s": 30.0}
    found = measured([started, progress(9, 10, deadline_at="2026-01-01T00:00:40+00:00"), progress(10, 11)], now)
    assert (found["deadline_at"], found["deadline_in_s"]) == ("2026-01-01T00:00:40+00:00", 10.0)
    past = measured([progress(9, 10, deadline_at=AT.format(20))], now)
    assert past["deadline_in_s"] == 0.0


@pytest.mark.parametrize("stated", ["soon", None, 5, "2026-01-01T00:01:00"])
def test_deadline_without_a_time_is_unknown(stated: Any) -> None:
    assert "deadline_at" not in measured([progress(9, 10, deadline_at=stated)], datetime.now(tz=UTC))


def test_report_without_a_time_counts_for_its_steps_alone() -> None:
    found = measured([{"kind": "progress", "steps": 1}, {"kind": "progress", "at": "soon", "steps": 7}])
    assert (found["steps"], found["steps_per_s"], found["reported_at"]) == (7, None, None)


@pytest.mark.parametrize("rate", [5e-324, 1e-300, 1e-13])
def test_at_a_rate_close_to_nothing_the_time_left_is_unknown(rate: float) -> None:
    found = measured([progress(5, 20, steps_per_s=rate)])
    assert (found["steps_per_s"], found["eta_s"]) == (rate, None)
    shown = LiveProgress(session="s", backend="b", handle=None, stage="", state="running", target_steps=1000, **found)
    assert shown.line == "20 of 1000 steps | 0 steps/s | running"


def test_a_rate_is_measured_between_reports_where_none_is_stated() -> None:
    found = measured([progress(0, 100), {"kind": "said", "at": AT.format(3)}, progress(10, 300)])
    assert (found["steps_per_s"], found["eta_s"]) == (20.0, 35.0)


@pytest.mark.parametrize("steps", [None, "12", True, float("nan"), float("inf"), -1])
def test_reports_that_state_no_usable_steps_are_left_out(steps: Any) -> None:
    assert measured([progress(0, 10), progress(9, steps)])["steps"] == 10


@pytest.mark.parametrize("events", [[], [{}], [{"kind": "progress"}], [{"kind": "said", "steps": 1}]])
def test_nothing_is_known_without_a_usable_report(events: list[dict[str, Any]]) -> None:
    assert measured(events) == {}


def test_two_reports_at_one_moment_give_no_rate() -> None:
    assert measured([progress(1, 10), progress(1, 20)])["steps_per_s"] is None


def test_line_leaves_out_what_is_unknown() -> None:
    one = LiveProgress(
        session="s", backend="local", handle=None, stage="submitted", state="running", steps=5, target_steps=9
    )
    assert one.line == "5 of 9 steps | running"


def test_line_has_rate_time_left_reward_and_deadline() -> None:
    about = {"session": "s", "backend": "local", "handle": None, "stage": "submitted", "state": "running"}
    measured_s: dict[str, Any] = {"steps_per_s": 2.0, "eta_s": 3700.0, "reward": -1.25, "deadline_in_s": 65.0}
    rest: dict[str, Any] = {**about, **measured_s, "steps": 5, "target_steps": 9}
    one = LiveProgress(**rest)
    assert one.line == "5 of 9 steps | 2 steps/s | 1:01:40 left | reward -1.25 | deadline in 0:01:05 | running"
    assert one.to_json()["deadline_in_s"] == 65.0
