"""Progress of a training that has no target: steps and rate, no share and no time left."""

from __future__ import annotations

import io

import pytest

from orchestrator.cli.output.console import Console, describe_progress
from orchestrator.core.session.live_progress import LiveProgress, measured
from tests.doubles.clock import FakeClock


class Terminal(io.StringIO):
    """A stream that is a terminal."""

    def isatty(self) -> bool:
        return True


def report(steps: int) -> dict[str, object]:
    return {"kind": "progress", "steps": steps, "target_steps": None, "steps_per_s": 2.0}


def test_a_line_from_time_to_time_has_no_share() -> None:
    clock, stream = FakeClock(), io.StringIO()
    console = Console(stream, clock.monotonic)
    console.progress(report(5))
    console.progress(report(6))
    assert stream.getvalue() == "  5 steps | 2 steps/s\n"
    assert describe_progress(report(7)) == "7 steps | 2 steps/s"


def test_a_terminal_shows_no_percent() -> None:
    stream = Terminal()
    console = Console(stream)
    console.progress(report(5))
    console.quiet()
    assert "5 steps" in stream.getvalue() and "%" not in stream.getvalue()


@pytest.mark.parametrize("odd", [{}, {"target_steps": 0}, {"target_steps": -1}, {"target_steps": "x"}])
def test_a_report_without_its_target_leaves_the_share_as_it_was(odd: dict[str, object]) -> None:
    clock, stream = FakeClock(), io.StringIO()
    console = Console(stream, clock.monotonic)
    console.progress({"kind": "alive", "steps": 32_768, **odd})  # a resumed session reports that it is alive first
    console.progress({"kind": "progress", "steps": 40_000, "target_steps": 100_000})
    console.progress({"kind": "alive", "steps": 41_000, **odd})
    console.progress({"kind": "progress", "steps": 51_000, "target_steps": 100_000})
    first, *shares = stream.getvalue().splitlines()
    assert first.startswith("  32768/") and "%" not in first
    assert shares == ["   40%  40000/100000 steps", "   51%  51000/100000 steps"]


def test_steps_beyond_the_target_are_no_more_than_the_whole() -> None:
    stream = io.StringIO()
    Console(stream).progress({"kind": "progress", "steps": 20_480, "target_steps": 20_000})  # whole rollouts
    assert stream.getvalue() == "  100%  20480/20000 steps\n"


def test_a_terminal_shows_the_percent_once_a_report_names_the_target() -> None:
    stream = Terminal()
    console = Console(stream)
    console.progress({"kind": "alive", "steps": 32_768})
    console.progress({"kind": "progress", "steps": 40_000, "target_steps": 100_000})
    assert console._bar is not None and console._bar.tasks[0].percentage == 40
    console.quiet()
    assert "40%" in stream.getvalue() and "3276800%" not in stream.getvalue()


def test_a_session_in_flight_has_steps_and_no_time_left() -> None:
    events = [
        {"at": f"2026-01-01T00:00:{second:02d}+00:00", "kind": "progress", "steps": steps, "target_steps": None}
        for second, steps in ((0, 10), (10, 30))
    ]
    live = LiveProgress(
        session="s", backend="local", handle=None, stage="submitted", state="", target_steps=None, **measured(events)
    )
    assert live.line == "30 steps | 2 steps/s"
    assert live.to_json()["target_steps"] is None and live.to_json()["eta_s"] is None
