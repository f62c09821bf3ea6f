"""A progress report may contain anything; only valid numbers are shown."""

from __future__ import annotations

import io
import json

import pytest

from orchestrator.cli.output.console import Console, describe_progress

NAMES = ("steps", "target_steps", "steps_per_s", "eta_s", "reward_mean")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "invalid", ["{}", "[]", "null", "true", '"x"', "NaN", "Infinity", "-Infinity", "1e999", "1" + "0" * 400]
)
def test_an_invalid_value_is_not_shown(name: str, invalid: str) -> None:
    report = json.loads('{"kind": "progress", "steps": 5, "target_steps": 10, "' + name + '": ' + invalid + "}")
    stream = io.StringIO()
    Console(stream).progress(report)
    assert "steps" in describe_progress(report) and "steps" in stream.getvalue()


def test_numbers_are_shown() -> None:
    report = {"steps": 5, "target_steps": 10, "steps_per_s": 12.3, "eta_s": 61.0, "reward_mean": -3.25}
    assert describe_progress(report) == "5/10 steps | 12 steps/s | 1:01 left | reward -3.2"


def test_a_training_shows_its_own_numbers() -> None:
    report = {"at": "2026", "kind": "progress", "loss": 0.00123, "odd\nname[/b]": 12.0, "steps": 5, "target_steps": 10}
    assert describe_progress(report) == "5/10 steps | loss 0.00123 | odd name[/b] 12.0"
    many = {"steps": 5, "target_steps": 10, **{f"n{index}": index for index in range(9)}, "word": "x" * 99}
    assert describe_progress(many) == "5/10 steps | n0 0.0 | n1 1.0 | n2 2.0 | n3 3.0"
    assert len(describe_progress({"x" * 999: 1})) < 60


def test_a_bar_shows_names_with_brackets_as_they_are() -> None:
    class Terminal(io.StringIO):
        encoding = "utf-8"

        def isatty(self) -> bool:
            return True

    stream = Terminal()
    console = Console(stream)
    console.progress({"steps": 5, "target_steps": 10, "loss[/b]": 12.0})
    console.quiet()
    assert "loss[/b] 12.0" in stream.getvalue()
