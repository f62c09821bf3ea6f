"""The table of a campaign counts the steps in flight, and shows how far each trial is, with and without a terminal."""

from __future__ import annotations

import io
from types import SimpleNamespace
from typing import Any

from rich.console import Console as RichConsole

from orchestrator.cli.output.live_table import LiveBoard, live_lines, table_of
from orchestrator.core.campaign.trial_status import TrialStatus, trial_status
from orchestrator.core.session.live_progress import LiveProgress
from tests.doubles.clock import FakeClock
from tests.simulation.campaigns import SMALL, expanded

CAMPAIGN, TRIALS = expanded(SMALL)
STATUSES: tuple[TrialStatus, ...] = tuple(
    trial_status(one, (), live=True, code_digest="", retries={}) for one in TRIALS
)


def live(steps: int) -> LiveProgress:
    about: dict[str, Any] = {"session": "s", "backend": "kaggle", "handle": None, "stage": "submitted", "state": ""}
    numbers: dict[str, Any] = {"steps_per_s": 20.0, "eta_s": 60.0, "reward": -2.5, "deadline_in_s": 3600.0}
    return LiveProgress(**about, **numbers, steps=steps, target_steps=70_000)


IN_FLIGHT = {STATUSES[0].trial.lineage_id: live(60_000)}
TICKED: Any = SimpleNamespace(statuses=STATUSES, waits="all slots are in use")
LINE = "60000 of 70000 steps | 20 steps/s | 0:01:00 left | reward -2.5 | deadline in 1:00:00"


def shown(table: object) -> str:
    RichConsole(file=(out := io.StringIO()), width=140).print(table)
    return out.getvalue()


def test_steps_of_a_variant_include_those_in_flight() -> None:
    assert "60000" in shown(table_of(CAMPAIGN, STATUSES, "", IN_FLIGHT))
    assert "60000" not in shown(table_of(CAMPAIGN, STATUSES, ""))


def test_terminal_shows_rate_time_left_reward_and_deadline_below_the_table() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    with LiveBoard(out := Terminal()) as board:
        board.show(CAMPAIGN, TICKED, IN_FLIGHT)
    text = " ".join(out.getvalue().split())
    assert "60000 of 70000 steps" in text and "all slots are in use" in text


def test_pipe_gets_a_line_for_each_trial_every_10_s_of_silence() -> None:
    clock, out = FakeClock(), io.StringIO()
    board = LiveBoard(out, clock.monotonic)
    for _ in range(40):
        board.show(CAMPAIGN, TICKED, IN_FLIGHT)
        clock.sleep(1.0)
    assert out.getvalue().splitlines() == [f"[{TRIALS[0].name8}] {LINE}"] * 3
    board.say("something else")
    clock.sleep(9.0)
    board.show(CAMPAIGN, TICKED, IN_FLIGHT)
    assert len(out.getvalue().splitlines()) == 4


def test_many_trials_in_flight_are_counted() -> None:
    lines = live_lines({f"{number:08d}{'a' * 56}": live(number) for number in range(15)})
    assert len(lines) == 13 and lines[-1] == "and 3 more in flight"
