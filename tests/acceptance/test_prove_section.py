"""`prove SECTION`: the script of a card, and an entry point; the user's state stays as it is."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from tests.doubles.commands import orchestrate
from tests.doubles.script_section import SCRIPT, make_script_project
from tests.doubles.toy_section import make_toy_project

ENTRY = """
import random

import orchestrator


def run(context):
    with orchestrator.session() as run:
        dice = random.Random(run.seed)
        state = run.keep(dice=dice, total=0.0)
        for step in run.steps():
            state.total += random.random() + dice.random()
            run.report(step, total=state.total)
    return run.outcome()
"""


@pytest.mark.parametrize("words", [(), ("--kill", "--cuts", "2")], ids=["clean", "kill"])
def test_script_of_a_card_is_proven_and_later_cards_name_it(tmp_path: Path, words: tuple[str, ...]) -> None:
    root = make_script_project(tmp_path / "project")
    answer = orchestrate(root, "prove", "mine", "--json", *words)
    assert answer.code == 0, answer.err
    proof = answer.json
    assert (proof["finding"], proof["steps"], len(proof["cuts"])) == ("exact", 40, 2 if words else 3)
    assert set(proof["parts"].values()) == {"equal"} and "reported numbers" in proof["parts"]
    assert {path.name for path in (root / ".orchestrator").iterdir()} == {"proofs", ".gitignore"}
    assert orchestrate(root, "run", "mine", "--quick", "--json").code == 0
    (card,) = root.glob("validation_ch7/**/*_checkpoint_40_steps.json")
    written = json.loads(card.read_text(encoding="utf-8"))["proof"]
    assert written == {"grade": "exact", "cuts": len(proof["cuts"]), "steps": 40, "digest": proof["digest"]}
    assert f"proven exact: {written['cuts']} cuts in 40 steps" in orchestrate(root, "status").out
    shown = f"40 steps, 1 session(s), proven exact: {written['cuts']} cuts in 40 steps, code {written['digest'][:12]}"
    assert shown in orchestrate(root, "report", "mine").out
    assert list(orchestrate(root, "report", "mine", "--json").json["proofs"].values()) == [written]
    with (root / "validation_output/reports/mine/trainings.csv").open(encoding="utf-8", newline="") as stream:
        assert [row["proof"] for row in csv.DictReader(stream)] == [shown.partition("session(s), ")[2]]


def test_changed_code_has_no_proof(tmp_path: Path) -> None:
    root = make_script_project(tmp_path / "project")
    assert orchestrate(root, "prove", "mine", "--json", "--cuts", "1").code == 0
    (root / "train.py").write_text(SCRIPT + "# changed\n", encoding="utf-8")
    assert orchestrate(root, "run", "mine", "--quick", "--json").code == 0
    (card,) = root.glob("validation_ch7/**/*_checkpoint_40_steps.json")
    assert "proof" not in json.loads(card.read_text(encoding="utf-8"))
    void = "its proof of exact resume is of other code: python -m orchestrator prove mine"
    assert void in orchestrate(root, "status").out
    assert orchestrate(root, "report", "mine", "--json").json["proofs"] == {}
    assert "proven" not in orchestrate(root, "report", "mine").out


def test_mistake_in_a_section_is_named(tmp_path: Path) -> None:
    text = SCRIPT.replace("random.gauss(0, 1)", "dice.gauss(0, 1)").replace(
        "with orch", "dice = random.Random(5)\nwith orch"
    )
    root = make_script_project(tmp_path / "project", script=text)
    answer = orchestrate(root, "prove", "mine", "--json", "--at", "10")
    assert answer.code == 1, answer.err
    assert answer.json["first_difference"] == {"part": "total", "step": 11, "resumed_at": 10, "values": None}
    assert "a random generator that is not kept: dice (train.py, line 6)" in answer.json["causes"][0]


def test_entry_point_with_a_session_is_proven(tmp_path: Path) -> None:
    root = make_toy_project(tmp_path / "project")
    (root / "validation_ch7/section_7_6_rl_performance/entry.py").write_text(ENTRY, encoding="utf-8")
    (root / "validation_ch7/section_7_6_rl_performance/proof.py").unlink(missing_ok=True)
    answer = orchestrate(root, "prove", "section_7_6", "--quick", "--json")
    assert answer.code == 0, answer.err
    assert (answer.json["finding"], answer.json["steps"]) == ("exact", 40)
    assert not (root / "validation_ch7/section_7_6_rl_performance/data").exists()


def test_section_without_a_session_cannot_be_cut(tmp_path: Path) -> None:
    root = make_toy_project(tmp_path / "project")
    answer = orchestrate(root, "prove", "section_7_6", "--quick")
    assert answer.code == 2 and "Traceback" not in answer.err
    assert "orchestrator.session()" in answer.err or "run.steps()" in answer.err


def test_failing_section_shows_its_log(tmp_path: Path) -> None:
    root = make_script_project(
        tmp_path / "project", script=SCRIPT.replace("if step == 39", "raise KeyError('x')\n        if 1")
    )
    answer = orchestrate(root, "prove", "mine")
    assert answer.code == 1 and "KeyError: 'x'" in answer.err


def test_unknown_section_and_arguments_are_refused(tmp_path: Path) -> None:
    root = make_script_project(tmp_path / "project")
    unknown = orchestrate(root, "prove", "mien")
    assert unknown.code == 2 and "mine" in unknown.err
    words = orchestrate(root, "prove", "mine", "--", "--lr", "1")
    assert words.code == 2 and "a section takes no arguments" in words.err
