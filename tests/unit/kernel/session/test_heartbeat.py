"""Reports of a session stay fresh while its code reports nothing."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from orchestrator.kernel.session import heartbeat as room
from orchestrator.kernel.session import reporting
from orchestrator.kernel.session.heartbeat import heartbeat
from orchestrator.kernel.session.reporting import ALIVE_AFTER_S, LAST_INTERVAL_S, Reporter, later
from orchestrator.kernel.training import alone
from orchestrator.kernel.training.settings import Settings
from orchestrator.kernel.wire import EVENTS_NAME
from tests.doubles.clock import FakeClock


class Bench:
    def __init__(self, path: Path) -> None:
        self.clock, self.lines = FakeClock(), list[str]()
        self.path, self.began_at = path, self.clock.now()
        self.reporter = Reporter(
            path,
            echo=self.lines.append,
            now=self.clock.now,
            monotonic=self.clock.monotonic,
            deadline_at=later(self.began_at, 3600.0),
            target_steps=90,
        )

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path / "events.jsonl")
    yield made
    made.reporter.close()


def test_every_report_of_progress_states_its_time_and_the_deadline(bench: Bench) -> None:
    bench.reporter.started(nonce="n")
    bench.reporter.progress(steps=1)
    started, progress = bench.events()
    ends_at = (bench.began_at + timedelta(hours=1)).isoformat(timespec="seconds")
    assert started["deadline_at"] == progress["deadline_at"] == ends_at
    assert all(f'"deadline_at":"{ends_at}"' in line and '"at":"' in line for line in bench.lines[1:])


def test_quiet_session_repeats_its_latest_progress_with_the_present_steps(bench: Bench) -> None:
    bench.reporter.progress(steps=10, target_steps=40, steps_per_s=2.0, eta_s=15.0, reward_mean=-1.5)
    bench.reporter.steps_now = lambda: 16
    bench.clock.sleep(ALIVE_AFTER_S - 1.0)
    assert bench.reporter.alive() == 1.0
    assert len(bench.events()) == 1
    bench.clock.sleep(1.0)
    assert bench.reporter.alive() == ALIVE_AFTER_S
    alive = bench.events()[-1]
    assert alive["at"] == bench.clock.now().isoformat()
    assert {name: alive[name] for name in ("kind", "steps", "target_steps", "steps_per_s", "reward_mean")} == {
        **{"kind": "alive", "steps": 16, "target_steps": 40, "steps_per_s": 2.0, "reward_mean": -1.5},
    }
    assert "eta_s" not in alive  # it belongs to the earlier steps


def test_code_without_any_report_is_shown_as_alive(bench: Bench) -> None:
    bench.clock.sleep(ALIVE_AFTER_S)
    bench.reporter.alive()
    (alive,) = bench.events()
    assert alive["kind"] == "alive" and "steps" not in alive and "deadline_at" in alive
    assert alive["target_steps"] == 90  # of the whole training, as its ticket states it


def test_a_script_without_a_project_states_its_target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reporting, "ALIVE_AFTER_S", 0.0)
    reporter = alone._reporter(tmp_path, Settings(target=5, settings={}))
    reporter.alive()
    reporter.close()
    assert '"target_steps":5' in (tmp_path / EVENTS_NAME).read_text(encoding="utf-8")


def test_watcher_waits_less_than_15_s_for_a_report_in_every_hour(bench: Bench) -> None:
    assert LAST_INTERVAL_S < ALIVE_AFTER_S < 15.0
    for second in range(2 * 3600):
        if second % 100 < 40:  # then an evaluation of a minute
            bench.reporter.progress(steps=second)
        bench.reporter.alive()
        bench.clock.sleep(1.0)
    times = [bench.began_at.fromisoformat(one["at"]) for one in bench.events()]
    assert max((later - earlier).total_seconds() for earlier, later in pairwise(times)) <= 15.0


def test_fault_of_the_heartbeat_is_raised_by_the_session(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(line: str) -> None:
        raise OSError(28, "No space left on device")

    bench.clock.sleep(ALIVE_AFTER_S)
    monkeypatch.setattr(bench.reporter, "_echo", full)
    assert bench.reporter.alive() == ALIVE_AFTER_S
    monkeypatch.setattr(bench.reporter, "_echo", bench.lines.append)
    with pytest.raises(OSError, match="No space left"):
        bench.reporter.progress(steps=1)


def test_thread_ends_with_the_block_and_beats_inside_it(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "ALIVE_AFTER_S", 0.0)
    beaten = threading.Event()
    monkeypatch.setattr(bench.reporter, "alive", lambda: beaten.set() or 0.0)
    before = threading.active_count()
    with pytest.raises(ValueError, match="of the section"), heartbeat(bench.reporter):
        assert beaten.wait(10.0)
        raise ValueError("of the section")
    assert threading.active_count() == before


def test_session_runs_where_no_thread_can_be_started(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refused)
    with heartbeat(bench.reporter):
        bench.reporter.progress(steps=1)
    assert len(bench.events()) == 1


def test_deadline_beyond_every_calendar_is_none(bench: Bench) -> None:
    assert later(bench.began_at, None) is None and later(bench.began_at, 1e18) is None
