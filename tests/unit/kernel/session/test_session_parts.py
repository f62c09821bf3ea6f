"""Deadline, stop flag, reporter and workspace of a session."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from orchestrator.kernel.files.workspace import Workspace
from orchestrator.kernel.session.container import id_of_container, opened_id
from orchestrator.kernel.session.deadline import SoftDeadline
from orchestrator.kernel.session.reporting import Reporter
from orchestrator.kernel.session.stop_flag import StopFlag
from orchestrator.kernel.wire import parse_report
from tests.doubles.clock import FakeClock


def test_the_deadline_reserves_the_time_of_saving_and_evaluating() -> None:
    clock = FakeClock()
    deadline = SoftDeadline(100.0, monotonic=clock.monotonic, started_s=0.0, margin_s=5.0)
    clock.sleep(70.0)
    assert not deadline.reached
    deadline.measured("save", 4.0)
    deadline.measured("save", 2.0)
    deadline.measured("evaluate", 10.0)
    assert deadline.reserve_s == pytest.approx(1.5 * 14.0 + 5.0)
    clock.sleep(3.9)
    assert not deadline.reached
    clock.sleep(0.2)
    assert deadline.reached
    assert deadline.totals_s == {"save": 6.0, "evaluate": 10.0}


def test_without_a_limit_there_is_no_deadline() -> None:
    clock = FakeClock()
    deadline = SoftDeadline(None, monotonic=clock.monotonic, started_s=0.0)
    clock.sleep(10**9)
    assert deadline.remaining_s is None
    assert not deadline.reached


def test_the_reserve_without_measured_actions_is_small_and_a_deadline_is_reached_at_its_reserve() -> None:
    clock = FakeClock()
    clock.sleep(1000.0)
    deadline = SoftDeadline(20.0, monotonic=clock.monotonic, started_s=1000.0)
    assert (deadline.elapsed_s, deadline.remaining_s, deadline.reserve_s) == (0.0, 20.0, 2.0)
    clock.sleep(18.0)
    assert (deadline.remaining_s, deadline.reached) == (2.0, True)
    assert SoftDeadline(1000.0, monotonic=clock.monotonic, started_s=0.0).reserve_s == 5.0
    assert SoftDeadline(None, monotonic=clock.monotonic, started_s=0.0).reserve_s == 0.0
    deadline.measured("save", 0.5)
    assert deadline.reserve_s == 0.75 + 2.0
    assert deadline.totals_s == {"save": 0.5}
    deadline.measured("evaluate", -1.0)
    assert deadline.reserve_s == 0.75 + 2.0, "a clock that was set back does not shorten the reserve"
    deadline.measured("evaluate", 1.0)
    assert deadline.totals_s.pop("evaluate") == 0.0
    deadline.totals_s.clear()
    assert deadline.totals_s["save"] == 0.5


def test_a_signal_only_sets_the_stop_flag() -> None:
    stop, before = StopFlag(), signal.getsignal(signal.SIGTERM)
    interrupt = signal.getsignal(signal.SIGINT)
    try:
        stop.listen()
        assert not stop.requested
        signal.raise_signal(signal.SIGTERM)
        assert stop.requested
    finally:
        signal.signal(signal.SIGTERM, before)
        signal.signal(signal.SIGINT, interrupt)


def _reporter(path: Path, clock: FakeClock, lines: list[str], limit_bytes: int = 10_000) -> Reporter:
    return Reporter(path, echo=lines.append, now=clock.now, monotonic=clock.monotonic, limit_bytes=limit_bytes)


def test_progress_is_reported_at_most_once_a_second_and_at_the_end(tmp_path: Path) -> None:
    clock, lines = FakeClock(), list[str]()
    reporter = _reporter(tmp_path / "events.jsonl", clock, lines)
    for steps in range(100):
        reporter.progress(steps=steps)
        clock.sleep(0.1)
    reporter.progress(last=True, steps=100)
    reporter.close()
    reports = [parse_report(line) for line in lines]
    assert 10 <= len(reports) <= 12
    assert reports[-1] == {"kind": "progress", "steps": 100, "at": clock.now().isoformat(timespec="seconds")}


@pytest.mark.parametrize(("minutes", "interval_s"), [(0, 1.0), (1, 2.0), (5, 6.0), (14, 12.0), (60, 12.0), (540, 12.0)])
def test_the_interval_between_progress_reports_grows_to_a_limit(
    tmp_path: Path, minutes: int, interval_s: float
) -> None:
    clock, lines = FakeClock(), list[str]()
    clock.sleep(1000.0)  # the machine has been up for a while: only the session's own time counts
    reporter = _reporter(tmp_path / "events.jsonl", clock, lines)
    clock.sleep(60.0 * minutes)
    reporter.progress(steps=1)
    clock.sleep(interval_s * 0.99)
    reporter.progress(steps=2)
    assert len(lines) == 1
    clock.sleep(interval_s * 0.03)  # meanwhile the interval itself grows by at most a sixtieth
    reporter.progress(steps=3)
    assert len(lines) == 2
    reporter.progress(steps=4, last=True)
    assert len(lines) == 3
    reporter.close()


def test_nine_hours_of_progress_give_a_short_log(tmp_path: Path) -> None:
    clock, lines = FakeClock(), list[str]()
    reporter = _reporter(tmp_path / "events.jsonl", clock, lines)
    for second in range(9 * 3600):
        reporter.progress(steps=second)
        clock.sleep(1.0)
    reporter.close()
    assert 2600 < len(lines) < 2900


def test_the_event_file_is_bounded_utf8_and_counts_dropped_events(tmp_path: Path) -> None:
    clock, path = FakeClock(), tmp_path / "events.jsonl"
    reporter = _reporter(path, clock, [], limit_bytes=500)
    for number in range(100):
        reporter.say(f"véhicule {number} ✓")
    reporter.close()
    events = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert path.stat().st_size < 600
    assert events[-1] == {"kind": "dropped", "events": 100 - (len(events) - 1)}
    assert events[0]["text"] == "véhicule 0 ✓"


def test_the_workspace_is_kaggle_unless_another_root_is_set(tmp_path: Path) -> None:
    assert Workspace.from_environment({}, scratch=tmp_path).working.as_posix() == "/kaggle/working"
    sandbox = Workspace.from_environment(
        {"ORCHESTRATOR_KAGGLE_ROOT": str(tmp_path)}, scratch=tmp_path, carried=(tmp_path / "carried",)
    )
    assert sandbox.inputs == (tmp_path / "carried", tmp_path / "input") and sandbox.shared is None
    sharing = Workspace.from_environment({"ORCHESTRATOR_SHARED_RESULTS": str(tmp_path)}, scratch=tmp_path)
    assert sharing.shared == tmp_path


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("kaggle_x7Kq-281234567-webtier", 281234567),
        ("kaggle_x7-Kq-9-a-281234567-webtier", 281234567),
        ("kaggle_x7Kq-281234567-web", 281234567),
        ("kaggle_x7Kq-0-webtier", None),
        ("kaggle_x7Kq-12a-webtier", None),
        ("kaggle_x7Kq-\u0663-webtier", None),
        ("kaggle_x7Kq--webtier", None),
        (f"kaggle_x7Kq-{10**18}-webtier", None),
        ("281234567-webtier", None),
        ("webtier", None),
        ("", None),
    ],
)
def test_the_session_number_stands_before_the_last_dash_of_the_containers_name(name: str, number: int | None) -> None:
    assert id_of_container(name) == number


@pytest.mark.parametrize("field", [None, True, -3, 1.5, "12", [12]])
def test_a_first_report_without_a_number_gives_none(field: object) -> None:
    assert opened_id({"kind": "opened", "session_id": field}) is None
    assert opened_id({"kind": "opened", "session_id": 12}) == 12
    assert opened_id({"kind": "started", "session_id": 12}) is None
