"""A command that says nothing for 15 s repeats its last line; it says nothing after its last line."""

from __future__ import annotations

import io
import json
import sys
import threading
from collections.abc import Iterator

import pytest

from orchestrator.cli.error_boundary import print_json, run_command
from orchestrator.cli.output import standard_output
from orchestrator.cli.output.console import Console
from orchestrator.cli.output.standard_output import PULSE, SILENCE_S, Pulse
from tests.doubles.clock import FakeClock


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def pulse(clock: FakeClock) -> Pulse:
    return Pulse(clock.monotonic)


def wait(pulse: Pulse, clock: FakeClock, seconds: int) -> None:
    for _ in range(seconds):
        clock.sleep(1.0)
        pulse.beat()


@pytest.mark.parametrize("stream", [io.StringIO, Terminal])
def test_last_line_is_repeated_every_15_s_with_the_time_since_it(
    stream: type[io.StringIO], pulse: Pulse, clock: FakeClock
) -> None:
    console = Console(out := stream(), clock.monotonic, pulse=pulse)
    wait(pulse, clock, 60)
    assert out.getvalue() == "", "nothing was said yet"
    console.say("Comparing with the baselines")
    wait(pulse, clock, 44)
    assert out.getvalue().splitlines() == [
        "Comparing with the baselines",
        "  still running after 0:15: Comparing with the baselines",
        "  still running after 0:30: Comparing with the baselines",
    ]
    console.say("Done")
    wait(pulse, clock, 14)
    assert out.getvalue().splitlines()[-1] == "Done"


def test_work_that_prints_nothing_is_named_within_3_s(pulse: Pulse, clock: FakeClock) -> None:
    console = Console(out := io.StringIO(), clock.monotonic, pulse=pulse)
    console.begins("Reading the project")
    wait(pulse, clock, 1)
    assert out.getvalue() == "", "a quick command prints its results alone"
    wait(pulse, clock, 17)
    assert out.getvalue().splitlines() == [
        "  still running after 0:02: Reading the project",
        "  still running after 0:17: Reading the project",
    ]


def test_progress_of_a_training_counts_as_output(pulse: Pulse, clock: FakeClock) -> None:
    for stream in (io.StringIO(), Terminal()):
        console = Console(stream, clock.monotonic, pulse=pulse)
        console.say("Session 1")
        for steps in range(100):
            console.progress({"steps": steps, "target_steps": 100_000})
            wait(pulse, clock, 1)
        console.quiet()
        assert "still running" not in stream.getvalue()


def test_training_that_makes_no_steps_is_shown_every_15_s(pulse: Pulse, clock: FakeClock) -> None:
    console = Console(out := io.StringIO(), clock.monotonic, pulse=pulse)
    for _ in range(61):
        console.progress({"steps": 5, "target_steps": 100})
        clock.sleep(1.0)
    assert out.getvalue().splitlines() == ["    5%  5/100 steps"] * 7


@pytest.mark.parametrize("stream", [io.StringIO, Terminal])
def test_after_the_last_step_the_line_of_what_goes_on_is_repeated(
    stream: type[io.StringIO], pulse: Pulse, clock: FakeClock
) -> None:
    console = Console(out := stream(), clock.monotonic, pulse=pulse)
    console.progress({"steps": 100, "target_steps": 100})
    console.say("Comparing with the baselines")
    for _ in range(32):  # the session repeats its last progress
        console.progress({"steps": 100, "target_steps": 100})
        wait(pulse, clock, 1)
    console.quiet()
    shown = out.getvalue()
    assert shown.count("still running after 0:") == 2 and "after 0:30: Comparing with the baselines" in shown
    if stream is io.StringIO:
        assert shown.count("100%") == 1


def test_output_that_is_copied_gets_no_further_lines(pulse: Pulse, clock: FakeClock) -> None:
    Console(out := io.StringIO(), clock.monotonic, pulse=None).say("a line of a log")
    wait(pulse, clock, 60)
    assert out.getvalue() == "a line of a log\n"


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(standard_output, "SILENCE_S", 0.05)
    yield


def test_command_beats_while_it_works_and_not_after_its_json(
    hurried: None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    beaten = threading.Event()
    beat = PULSE.beat

    def noted() -> float:
        wait_s = beat()
        beaten.set()
        return wait_s

    monkeypatch.setattr(PULSE, "beat", noted)

    def act() -> int:
        Console(sys.stderr).say("Proving")
        print_json({"done": True})
        beaten.clear()
        assert beaten.wait(10.0)
        return 0

    before = threading.active_count()
    assert run_command(act) == 0
    assert threading.active_count() == before
    shown = capsys.readouterr()
    assert json.loads(shown.out) == {"done": True} and "still running" not in shown.out


def test_command_that_blocks_is_heard(hurried: None, capsys: pytest.CaptureFixture[str]) -> None:
    heard = threading.Event()

    class Stream(io.StringIO):
        def write(self, text: str) -> int:
            if "still running" in text:
                heard.set()
            return super().write(text)

    def act() -> int:
        Console(stream := Stream()).say("Fetching")
        assert heard.wait(10.0)
        assert "still running after 0:00: Fetching" in stream.getvalue()
        return 0

    assert run_command(act) == 0


def test_line_from_before_the_command_is_not_repeated(pulse: Pulse, clock: FakeClock) -> None:
    stream = io.StringIO()
    Console(stream, clock.monotonic, pulse=pulse).say("A line of a command that has ended")
    stream.close()
    with pulse.running():
        wait(pulse, clock, 60)
    Console(again := io.StringIO(), clock.monotonic, pulse=pulse).say("The next command")
    wait(pulse, clock, 15)
    assert again.getvalue().count("The next command") == 2


def test_silence_is_15_s_at_most() -> None:
    assert SILENCE_S <= 15.0
