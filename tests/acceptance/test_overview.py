"""`sections`, `config show`, `--version` and shell completion."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from orchestrator import __version__
from tests.acceptance.test_interrupted_and_changed import QUICK
from tests.doubles.commands import orchestrate
from tests.doubles.toy_section import make_toy_project

CARD = Path("configs/sections/section_7_6.yaml")


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    return make_toy_project(tmp_path / "project")


def test_sections_lists_cards_and_steps_in_place(toy: Path) -> None:
    orchestrate(toy, *QUICK)
    (row,) = orchestrate(toy, "sections", "--json").json["sections"]
    assert (row["section"], row["backend"], row["steps"], row["trials"]) == ("section_7_6", "local", 40, 0)
    assert row["algorithm"] in row["algorithms"]
    text = orchestrate(toy, "sections").out
    assert row["title"] in text and f"{row['algorithm']} (default)" in text and "40 steps in place" in text


def test_a_card_that_cannot_be_used_does_not_hide_the_others(toy: Path) -> None:
    shutil.copyfile(toy / CARD, toy / "configs/sections/broken.yaml")
    answer = orchestrate(toy, "sections", "--json")
    assert answer.code == 2
    assert [("problem" in row) for row in answer.json["sections"]] == [True, False]
    assert "broken.yaml" in orchestrate(toy, "sections").out


def test_config_show_names_every_source_and_no_secret(toy: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    (home / ".kaggle").mkdir(parents=True)
    (home / ".kaggle" / "kaggle.json").write_text(
        '{"username": "anna", "key": "s3cr3t-of-anna-0000"}', encoding="utf-8"
    )
    words = {
        "HOME": str(home),
        "KAGGLE_CONFIG_DIR": str(home / ".kaggle"),
        "USERPROFILE": str(home),
        "ORCHESTRATOR_SEED": "7",
        "KAGGLE_API_TOKEN": "s3cr3t-token-1",
    }
    answer = orchestrate(toy, "config", "show", "--json", **words)
    text = orchestrate(toy, "config", "show", **words)
    plain = answer.json
    assert plain["project_from"] == "the variable ORCHESTRATOR_ROOT"
    assert plain["folders"]["ledger"] == {"path": f"{toy.as_posix()}/.orchestrator/ledger.sqlite", "exists": False}
    assert [one["form"] for one in plain["credentials"]] == ["access token", "legacy key"]
    assert plain["variables"] == {"ORCHESTRATOR_ROOT": str(toy), "ORCHESTRATOR_SEED": "7"}
    assert "account anna" in text.out and "ORCHESTRATOR_SEED=7" in text.out
    assert "s3cr3t" not in answer.out + answer.err + text.out + text.err


def test_version(toy: Path) -> None:
    answer = orchestrate(toy, "--version")
    assert (answer.code, answer.out.strip()) == (0, f"orchestrator {__version__}")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_offers_the_commands(toy: Path, shell: str) -> None:
    words = {"bash": "orchestrator ca", "zsh": "orchestrator ca", "fish": "orchestrator ca"}[shell]
    answer = orchestrate(
        toy,
        _ORCHESTRATOR_COMPLETE=f"complete_{shell}",
        COMP_WORDS=words,
        COMP_CWORD="1",
        _TYPER_COMPLETE_ARGS=words,
        _TYPER_COMPLETE_FISH_ACTION="get-args",
    )
    assert answer.code == 0, answer.err
    assert "cancel" in answer.out and "campaign" in answer.out


def test_show_completion_prints_a_script_for_the_program(toy: Path) -> None:
    answer = orchestrate(toy, "--show-completion", "bash", _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1")
    assert answer.code == 0, answer.err
    assert "_ORCHESTRATOR_COMPLETE=complete_bash" in answer.out
