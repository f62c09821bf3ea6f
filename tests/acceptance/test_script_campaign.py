"""Campaigns over a section that is a script: seeds, a matrix of settings, a search; with and without a target."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from tests.doubles.commands import orchestrate
from tests.doubles.script_section import make_script_project

CARD = """\
section: mine
script: train.py
settings: {rate: 0.1, net: {width: 4}}
"""
SCRIPT = """
import random

import orchestrator

with orchestrator.session() as run:
    state = run.keep(total=0.0)
    for step in run.steps():
        state.total += run.settings["rate"] + random.random() * 1e-3
        if step % 5 == 4:
            run.report(step + 1, score=-abs(state.total - 5 * run.settings["net"]["width"]))
        if step == 19:
            run.finish()
run.outcome(summary={"total": state.total})
"""
SEEDS = """
campaign: two
backend: local
concurrency: 2
trials:
  plain: {section: mine, profile: quick, seeds: 2, matrix: {settings.rate: [0.1, 0.5]}}
"""
SEARCH = """
campaign: look
backend: local
concurrency: 2
trials:
  rates:
    section: mine
    profile: quick
    search:
      space: {settings.rate: {low: 0.1, high: 0.9}, settings.net.width: [1, 2]}
      trials: 4
      batch: 2
      startup_trials: 2PRUNER
"""


def project(root: Path, name: str, campaign: str, card: str = CARD) -> Path:
    make_script_project(root, SCRIPT, card)
    folder = root / "configs/campaigns"
    folder.mkdir(parents=True)
    (folder / f"{name}.yaml").write_text(campaign, encoding="utf-8")
    return root


def test_seeds_and_settings_of_a_script_without_a_target(tmp_path: Path) -> None:
    root = project(tmp_path, "two", SEEDS)
    plan = orchestrate(root, "campaign", "plan", "two")
    assert plan.code == 0 and "without target" in plan.out and "one full session assumed" in plan.out
    assert orchestrate(root, "campaign", "plan", "two", "--json").json["variants"][0]["target_steps"] is None
    ran = orchestrate(root, "campaign", "run", "two", "--every-s", "0.2", "--json")
    assert ran.code == 0 and ran.json["complete"], ran.err
    assert [(one["state"], one["steps_done"], one["target_steps"]) for one in ran.json["trials"]] == [
        ("done", 20, None)
    ] * 4
    rows = list(csv.DictReader(io.StringIO(orchestrate(root, "campaign", "results", "two").out)))
    totals = {(row["settings"], row["seed"]): float(row["value"]) for row in rows if row["metric"] == "total"}
    assert len(totals) == 4 and len(set(totals.values())) == 4
    assert {round(value) for value in totals.values()} == {2, 10}
    shown = [
        orchestrate(root, *words).out
        for words in (
            ("campaign", "status", "two"),
            ("campaign", "status", "two", "--markdown"),
            ("campaign", "report", "two"),
            ("report", "mine"),
            ("status",),
        )
    ]
    assert not [text for text in shown if "None" in text]
    assert "(seed 1): 20 steps in place (no target)" in shown[-1] and "nothing saved yet" not in shown[-1]
    assert shown[-1].count("would resume: exact") == 4
    again = orchestrate(root, "campaign", "run", "two", "--every-s", "0.2", "--json")
    assert again.code == 0 and [one["sessions"] for one in again.json["trials"]] == [1] * 4


@pytest.mark.parametrize("target", ["", "profiles: {quick: {target_steps: 20}, full: {}}\n"])
def test_a_search_over_settings(tmp_path: Path, target: str) -> None:
    pytest.importorskip("optuna")
    pruner = "\n      pruner: {kind: median, startup_trials: 1, every_steps: 5}" if target else ""
    root = project(tmp_path, "look", SEARCH.replace("PRUNER", pruner), CARD + target)
    ran = orchestrate(root, "campaign", "run", "look", "--every-s", "0.2", "--json")
    assert ran.code == 0 and ran.json["complete"], ran.err
    rows = orchestrate(root, "campaign", "status", "look", "--json").json["all_trials"]
    assert len(rows) == 4 and all(row["objective"] is not None for row in rows if row["state"] == "done")


def test_a_pruner_needs_steps(tmp_path: Path) -> None:
    pytest.importorskip("optuna")
    pruner = "\n      pruner: {kind: median, startup_trials: 1}"
    root = project(tmp_path, "look", SEARCH.replace("PRUNER", pruner))
    answer = orchestrate(root, "campaign", "plan", "look")
    assert answer.code == 2 and "the section's profile has no target_steps" in answer.err, answer.err


def test_a_changed_setting_is_named_with_both_values(tmp_path: Path) -> None:
    root = make_script_project(tmp_path, SCRIPT, CARD)
    assert orchestrate(root, "run", "mine", "--quick").code == 0
    (root / "configs/sections/mine.yaml").write_text(CARD.replace("0.1", "0.7"), encoding="utf-8")
    answer = orchestrate(root, "run", "mine", "--quick")
    assert answer.code == 2 and "Setting settings.rate: checkpoint=0.1, current=0.7" in answer.err
