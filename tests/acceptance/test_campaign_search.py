"""A search through the real command line: with kills, without its ledger, and without Optuna."""

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


def trial_rows(root: Path) -> list[tuple[object, ...]]:
    """Name, lineage, state, reason and objective of each trial."""
    rows = orchestrate(root, "campaign", "status", "look", "--json").json["all_trials"]
    return [(row["trial"], row["lineage"], row["state"], row["why"], row["objective"]) for row in rows]


def run(root: Path) -> dict[str, Any]:
    answer = orchestrate(root, "campaign", "run", "look", "--every-s", "0.2", "--json")
    assert answer.code == 0, answer.err
    return answer.json


@pytest.mark.prove
def test_search_killed_and_without_ledger_ends_like_an_undisturbed_one(tmp_path: Path) -> None:
    reference = project(tmp_path / "reference")
    planned = orchestrate(reference, "campaign", "plan", "look", "--json").json
    (search,) = planned["searches"]
    assert (planned["trials"], search["to_come"], search["sessions_to_come"], planned["sessions"]) == (2, 4, 4, 6)
    assert run(reference)["complete"]
    expected = trial_rows(reference)
    states = [state for _, _, state, _, _ in expected]
    assert len(states) == 6 and set(states) == {"done", "pruned"} and states[:2] == ["done", "done"]
    assert all((value is None) == (state == "pruned") for _, _, state, _, value in expected)

    killed, rng = project(tmp_path / "killed"), random.Random(5)
    words = ["-m", "orchestrator", "campaign", "run", "look", "--every-s", "0.2"]
    for _ in range(2):
        victim = subprocess.Popen(
            [sys.executable, *words], env=environment(killed), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        time.sleep(rng.uniform(1.0, 2.5))  # the kill hits at a random real time
        victim.send_signal(signal.SIGKILL)
        victim.wait()
    run(killed)
    assert trial_rows(killed) == expected

    for path in (killed / ".orchestrator").glob("ledger.sqlite*"):
        path.unlink()
    assert len(trial_rows(killed)) == 2
    answer = orchestrate(killed, "campaign", "tick", "look", "--recover", "--json")
    assert answer.code == 0 and answer.json["over"] and answer.json["complete"], answer.err
    assert trial_rows(killed) == expected

    table = csv.DictReader(io.StringIO(orchestrate(reference, "campaign", "results", "look").out))
    assert len(list(table)) == states.count("done")
    status = orchestrate(reference, "campaign", "status", "look").out
    assert f"6 of 6 proposed, {states.count('pruned')} of them pruned; 0 to come" in status


@pytest.mark.prove
def test_ticks_in_empty_working_copies_complete_a_search_on_kaggle(tmp_path: Path) -> None:
    """Every tick is a new process in a new, empty copy; it recovers the earlier batches before it proposes the next."""
    reference = project(tmp_path / "reference")
    run(reference)
    expected = [row[:4] for row in trial_rows(reference)]
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
                assert kernel.ended.wait(120)
        assert answer.json["complete"] and number == 3  # three batches, then a tick that collects the last one
        assert [row[:4] for row in trial_rows(copy)] == expected
        pushes = Counter(entry.request["slug"] for entry in kaggle.journal.of("SaveKernel"))
    assert set(pushes.values()) == {1} and len(pushes) == 6


def test_missing_optuna_refuses_only_campaigns_with_a_search(tmp_path: Path) -> None:
    root = project(tmp_path / "toy")
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare/optuna.py").write_text(
        "raise ModuleNotFoundError(\"No module named 'optuna'\", name='optuna')\n", encoding="utf-8"
    )
    bare = {"PYTHONPATH": f"{tmp_path / 'bare'}"}
    answer = orchestrate(root, "campaign", "plan", "look", "--json", **bare)
    assert answer.code == 2 and "python -m pip install 'optuna>=5'" in answer.json["remedy"]
    shipped = root / "configs/campaigns/plain.yaml"
    shipped.write_text(
        "campaign: plain\ntrials:\n  m:\n    section: section_7_6\n    profile: quick\n", encoding="utf-8"
    )
    assert orchestrate(root, "campaign", "plan", "plain", "--json", **bare).code == 0
