"""A search by the real command line on the local backend: killed, without its ledger, and without Optuna."""

from __future__ import annotations

import csv
import io
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.doubles.commands import environment, orchestrate
from tests.doubles.kaggle_side import KEY, USER, far_settings, loopback_variables
from tests.doubles.toy_section import make_toy_project
from tests.emulator.loopback import loopback_kaggle

LOOK = """
campaign: look
concurrency: 2
assume: {steps_per_s: 100, start_s: 1, save_s: 1}
trials:
  ppo:
    section: section_7_6
    profile: quick
    settings: {algorithm: PPO}
    search:
      space: {algorithms.PPO.gamma: {low: 0.9, high: 0.99}}
      trials: 6
      batch: 2
      startup_trials: 2
      pruner: {kind: median, startup_trials: 2, every_steps: 10}
"""


def project(root: Path) -> Path:
    make_toy_project(root, '{"scores": true}')
    folder = root / "configs/campaigns"
    folder.mkdir(parents=True)
    (folder / "look.yaml").write_text(LOOK, encoding="utf-8")
    return root


def stands(root: Path) -> list[tuple[object, ...]]:
    """What a campaign is for: trial, state, where it was pruned, objective."""
    rows = orchestrate(root, "campaign", "status", "look", "--json").json["all_trials"]
    return [(row["trial"], row["lineage"], row["state"], row["why"], row["objective"]) for row in rows]


def run(root: Path) -> dict[str, Any]:
    answer = orchestrate(root, "campaign", "run", "look", "--every-s", "0.2", "--json")
    assert answer.code == 0, answer.err
    return answer.json


def test_a_search_that_is_killed_and_loses_its_ledger_is_the_undisturbed_one(tmp_path: Path) -> None:
    calm = project(tmp_path / "calm")
    planned = orchestrate(calm, "campaign", "plan", "look", "--json").json
    (search,) = planned["searches"]
    assert (planned["trials"], search["to_come"], search["sessions_to_come"], planned["sessions"]) == (2, 4, 4, 6)
    assert run(calm)["complete"]
    expected = stands(calm)
    states = [state for _, _, state, _, _ in expected]
    assert len(states) == 6 and set(states) == {"done", "pruned"} and states[:2] == ["done", "done"]
    assert all((value is None) == (state == "pruned") for _, _, state, _, value in expected)

    stormy, draw = project(tmp_path / "stormy"), random.Random(5)
    words = ["-m", "orchestrator", "campaign", "run", "look", "--every-s", "0.2"]
    for _ in range(2):
        victim = subprocess.Popen(
            [sys.executable, *words], env=environment(stormy), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        time.sleep(draw.uniform(1.0, 2.5))  # a kill has to fall somewhere in real time
        victim.send_signal(signal.SIGKILL)
        victim.wait()
    run(stormy)
    assert stands(stormy) == expected

    for path in (stormy / ".orchestrator").glob("ledger.sqlite*"):
        path.unlink()
    assert len(stands(stormy)) == 2
    answer = orchestrate(stormy, "campaign", "tick", "look", "--recover", "--json")
    assert answer.code == 0 and answer.json["over"] and answer.json["complete"], answer.err
    assert stands(stormy) == expected

    table = csv.DictReader(io.StringIO(orchestrate(calm, "campaign", "results", "look").out))
    assert len(list(table)) == states.count("done")
    told = orchestrate(calm, "campaign", "status", "look").out
    assert f"6 of 6 proposed, {states.count('pruned')} of them pruned; 0 to come" in told


@pytest.mark.prove
def test_ticks_in_empty_working_copies_go_through_a_search_on_kaggle(tmp_path: Path) -> None:
    """Every tick is another process in another, empty copy: what was proposed is found again, batch behind batch."""
    calm = project(tmp_path / "calm")
    run(calm)
    expected = [row[:4] for row in stands(calm)]
    template = project(tmp_path / "template")
    with loopback_kaggle(tmp_path / "kaggle", settings=far_settings()) as kaggle:
        kaggle.accounts.add(USER, key=KEY)
        variables: dict[str, Any] = {**loopback_variables(), "HOME": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
        for number in range(6):
            copy = shutil.copytree(template, tmp_path / f"copy-{number}")
            words = ("campaign", "tick", "look", "--backend", "kaggle", "--recover", "--json")
            answer = orchestrate(copy, *words, **variables)
            assert answer.code == 0, answer.err
            if answer.json["over"]:
                break
            for kernel in list(kaggle.kernels.all.values()):
                kernel.ended.wait(30)
        assert answer.json["complete"] and number == 3  # three batches, and a look at the last
        assert [row[:4] for row in stands(copy)] == expected
        pushes = Counter(entry.request["slug"] for entry in kaggle.journal.of("SaveKernel"))
    assert set(pushes.values()) == {1} and len(pushes) == 6


def test_without_optuna_a_search_is_refused_with_the_remedy_and_nothing_else_is(tmp_path: Path) -> None:
    root = project(tmp_path / "toy")
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare/optuna.py").write_text(
        "raise ModuleNotFoundError(\"No module named 'optuna'\", name='optuna')\n", encoding="utf-8"
    )
    bare = {"PYTHONPATH": f"{tmp_path / 'bare'}"}
    answer = orchestrate(root, "campaign", "plan", "look", "--json", **bare)
    assert answer.code == 2 and "pip install -c constraints.txt -e '.[search]'" in answer.json["remedy"]
    shipped = root / "configs/campaigns/plain.yaml"
    shipped.write_text(
        "campaign: plain\ntrials:\n  m:\n    section: section_7_6\n    profile: quick\n", encoding="utf-8"
    )
    assert orchestrate(root, "campaign", "plan", "plain", "--json", **bare).code == 0
