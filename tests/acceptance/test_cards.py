"""Cards as users write them: YAML merge keys in a whole run, and one broken card beside valid ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.doubles.commands import orchestrate
from tests.doubles.toy_section import make_toy_project

QUICK = ("run", "section_7_6", "--quick", "--json")
CARD = "configs/sections/section_7_6.yaml"


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    return make_toy_project(tmp_path / "project")


def test_card_rewritten_with_merge_keys_continues_the_same_training(toy: Path) -> None:
    orchestrate(toy, *QUICK)
    text = (toy / CARD).read_text("utf-8")
    block = text.split("  DQN:\n", 1)[1].split("  QRDQN:\n", 1)[0]
    shared = "x-dqn: &dqn\n" + block.replace("    ", "  ", 1).replace("\n    ", "\n  ")
    (toy / CARD).write_text(shared + text.replace(block, "    <<: *dqn\n", 1), encoding="utf-8")
    answer = orchestrate(toy, "run", "section_7_6", "--json").json
    assert (answer["steps_start"], answer["steps_done"], answer["expected_grade"]) == (40, 100, "exact")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "broken.yaml is empty"),
        (b"section: broken\n", "broken.yaml, line 1: the card: script or entry_point is missing"),
        (b"a: [1\n", "broken.yaml, line"),
        (b"\xff\xfea\x00", "it is UTF-16"),
        (None, "it is a folder"),
    ],
)
def test_status_shows_valid_cards_beside_a_broken_one(toy: Path, content: bytes | None, message: str) -> None:
    orchestrate(toy, *QUICK)
    path = toy / "configs" / "sections" / "broken.yaml"
    path.mkdir() if content is None else path.write_bytes(content)
    answer = orchestrate(toy, "status")
    assert answer.code == 2
    assert "section_7_6: 40 steps in place" in answer.out and "Latest runs:" in answer.out
    assert "broken: its card cannot be used" in answer.out and message in answer.out
    plain = orchestrate(toy, "status", "--json").json
    assert [row["section"] for row in plain["models"]] == ["broken", "section_7_6"]
    broken, valid = plain["models"]
    assert broken["problem"] and broken["remedy"] and valid["steps"] == 40


@pytest.mark.parametrize(
    "words", [("run", "section_7_6", "--dry-run"), ("render", "section_7_6"), ("fetch", "section_7_6")]
)
@pytest.mark.parametrize("seed", ["4294967296", "11111111111111111111111", "-1"])
def test_seed_out_of_range_is_refused_before_anything_is_written(toy: Path, words: tuple[str, ...], seed: str) -> None:
    answer = orchestrate(toy, *words, "--seed", seed)
    assert answer.code == 2 and "seed must not be negative or above 4294967295" in answer.err
    assert not (toy / "validation_output").exists()


@pytest.mark.parametrize("flag", ["--target-steps", "--add-steps"])
def test_step_count_above_the_ledger_limit_is_refused(toy: Path, flag: str) -> None:
    answer = orchestrate(toy, *QUICK, flag, "99999999999999999999")
    assert answer.code == 2 and "must not exceed" in answer.json["error"]
