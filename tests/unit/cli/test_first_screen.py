"""`orchestrator --help`: every command in one line, by task, those of a first day first."""

from __future__ import annotations

import itertools

import pytest

from orchestrator.cli.first_screen import PANELS
from orchestrator.cli.main import COMMANDS, GROUPS, main

_WIDTH = 62
"""Characters for the text of a command on a terminal of 80 columns, beside the longest name."""

LINES = {name: line for lines in PANELS.values() for name, line in lines.items()}


@pytest.fixture
def screen(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERMINAL_WIDTH", "80")
    assert main(["--help"]) == 0
    return capsys.readouterr().out.splitlines()


def test_each_command_has_one_line_in_one_panel() -> None:
    assert sorted(itertools.chain(*PANELS.values())) == sorted([*COMMANDS, *GROUPS])
    assert [name for name, line in LINES.items() if len(line) > _WIDTH or not line.endswith(".")] == []


def test_the_screen_shows_the_lines_in_their_order(screen: list[str]) -> None:
    shown = [line.strip("│| ").split(maxsplit=1) for line in screen if line.startswith(("│", "|"))]
    assert [(words[0], words[1]) for words in shown if words[0] in LINES] == list(LINES.items())
    assert list(LINES)[:4] == ["init", "run", "status", "prove"]
    titles = [line.strip("╭─╮+- ") for line in screen if line.startswith(("╭", "+-")) and line.strip("╭─╮+- ")]
    assert titles == ["Options", *PANELS]


def test_the_screen_ends_with_the_first_commands_to_type(screen: list[str]) -> None:
    assert " Try it: `orchestrator init demo`, `cd demo`, `orchestrator run demo --quick`." in map(str.rstrip, screen)
    assert " More about a command: `orchestrator COMMAND --help`." in map(str.rstrip, screen)


def test_a_command_explains_itself_at_length(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cancel", "--help"]) == 0
    assert "put its checkpoints in place." in " ".join(capsys.readouterr().out.split())
