"""One NaN in a training is refused at the save, or at the start if older code has saved it."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from orchestrator.kernel.checkpoint.card import CheckpointCard, read_card
from orchestrator.kernel.checkpoint.survey import survey_checkpoints
from orchestrator.kernel.files.digests import file_entry
from orchestrator.sb3.state.npz_tree import read_state, same_state, write_state
from orchestrator.stores.ledger.sqlite import SqliteLedger
from tests.doubles.commands import orchestrate
from tests.doubles.real_section import make_real_project, quick_run

MODELS = Path("validation_ch7/section_7_6_rl_performance/data/models")
SCENARIO = "traffic_light_control"
RUN = ("run", "section_7_6", "--quick")
STEP = "        rewards = reward_of(delay_veh_s, self.settings.decision_s)\n"
BROKEN_STEP = (
    "        self._broken = getattr(self, '_broken', 0) + self.num_envs\n"
    "        if 1200 <= self._broken < 1200 + self.num_envs:\n"
    "            rewards[0] = float('nan')  # one division by zero, once\n"
)


@pytest.fixture
def trained(tmp_path_factory: pytest.TempPathFactory, tmp_path: Path) -> Path:
    """A project after its quick run."""
    return Path(shutil.copytree(quick_run(tmp_path_factory)[0], tmp_path / "trained", symlinks=True))


def cards(root: Path) -> list[CheckpointCard]:
    return list(survey_checkpoints(root / MODELS, SCENARIO).verified)


def same_training(one: Path, other: Path, steps: int) -> bool:
    """Whether the checkpoints of two projects are byte-identical, except for the state's `provenance`."""
    stem = f"checkpoints/{SCENARIO}_checkpoint_{steps}_steps"
    states: list[dict[str, Any]] = []
    for root in (one, other):
        states.append(read_state(root / MODELS / f"{stem}.state.npz"))
        states[-1].pop("provenance")
    zips = [(root / MODELS / f"{stem}.zip").read_bytes() for root in (one, other)]
    return same_state(*states) and zips[0] == zips[1]


def test_nan_reaches_no_checkpoint_and_the_fixed_code_resumes(trained: Path, tmp_path: Path) -> None:
    project = make_real_project(tmp_path / "project")
    environment = project / "validation_ch7/traffic/env/vec_env.py"
    original = environment.read_text(encoding="utf-8")
    assert STEP in original
    environment.write_text(original.replace(STEP, STEP + BROKEN_STEP), encoding="utf-8")
    broken = orchestrate(project, *RUN)
    assert broken.code == 1 and "Run ended: section_failed at 1000 steps" in broken.out
    assert "after 2000 steps the training cannot be saved: replay_buffer.rewards is not finite (1 of " in broken.out
    assert "of environment 0, filled at step 1200: nan" in broken.out
    assert "it resumes from the checkpoint of 1000 steps" in broken.out
    (manifest,) = (project / "validation_output/results").rglob("session_manifest.json")
    plain = json.loads(manifest.read_text(encoding="utf-8"))
    assert (plain["end_reason"], plain["steps_done"]) == ("section_failed", 1000)
    assert "replay_buffer.rewards is not finite" in plain["error"]
    assert [card.steps for card in cards(project)] == [1000]
    why = orchestrate(project, "why", "section_7_6", "--json").json
    assert (why["verdict"], broken.out.count(f"Why: {why['sentence']}")) == ("nan", 1)
    assert "replay_buffer.rewards is not finite" in why["evidence"][0]["text"]

    environment.write_text(original, encoding="utf-8")
    fixed = orchestrate(project, *RUN)
    assert "Session 2: from 1000 steps to 2000 steps" in fixed.out and "Walking back" not in fixed.out
    assert [card.steps for card in cards(project)] == [2000, 1000]
    assert same_training(project, trained, 2000)


@pytest.mark.prove
def test_run_walks_back_from_a_saved_nan_within_one_command(trained: Path, tmp_path: Path) -> None:
    project = trained
    straight = Path(shutil.copytree(project, tmp_path / "straight", symlinks=True))
    newest = cards(project)[0]
    for path in (straight / MODELS / "checkpoints").glob(f"{newest.stem}.*"):
        path.unlink()
    insert_nan(project, newest)

    answer = orchestrate(project, *RUN, "--target-steps", "3000")
    lines = answer.out.splitlines()
    assert any(f"{newest.stem} cannot be resumed: replay_buffer.rewards is not finite" in line for line in lines)
    assert any(line.startswith(f"[CHECKPOINT] ⚠️  {newest.stem} is not usable: the session that") for line in lines)
    assert f"[CHECKPOINT] Walking back to {SCENARIO}_checkpoint_1000_steps.zip" in lines
    assert "Session 2: from 2000 steps to 3000 steps" in lines and "Session 3: from 1000 steps to 3000 steps" in lines
    assert [card.steps for card in cards(project)] == [3000, 2000]
    orchestrate(straight, *RUN, "--target-steps", "3000")
    assert same_training(project, straight, 3000)
    (archived,) = (project / MODELS.parent / "archive").rglob(f"{newest.stem}.state.npz")
    assert np.isnan(read_state(archived)["training"]["replay_buffer"]["rewards"]).any()
    assert read_card(archived.parent / newest.name).digest not in {one.digest for one in cards(project)[0].ancestry}
    ledger = SqliteLedger(project / ".orchestrator/ledger.sqlite")
    assert [record.end_reason for record in ledger.sessions()] == ["finished", "checkpoint_unusable", "finished"]
    ledger.close()


@pytest.mark.prove
def test_saved_nan_without_a_parent_costs_one_session_then_none(tmp_path: Path) -> None:
    project = make_real_project(tmp_path / "project")  # a copy of `trained` would find its results by their full path
    orchestrate(project, *RUN)
    shutil.rmtree(project / "validation_output")
    newest, older = cards(project)
    for path in (project / MODELS / "checkpoints").glob(f"{older.stem}.*"):
        path.unlink()
    insert_nan(project, newest)
    before = sorted(path.name for path in (project / MODELS).rglob("*"))
    words = (*RUN, "--target-steps", "3000", "--json")
    first = orchestrate(project, *words)
    assert (first.code, first.json["end_reason"], first.json["sessions"]) == (1, "checkpoint_unusable", 1)
    second = orchestrate(project, *words)
    assert (second.code, second.json["end_reason"], second.json["sessions"]) == (1, "checkpoint_unusable", 0)
    assert orchestrate(project, "why", "--json").json["verdict"] == "nan"
    assert "start over: `python -m orchestrator run section_7_6 --fresh`" in second.err
    assert sorted(path.name for path in (project / MODELS).rglob("*")) == before


def insert_nan(root: Path, card: CheckpointCard) -> None:
    """Put a NaN into the replay buffer and update the card's digests, as code without the check would have saved."""
    folder = root / MODELS / "checkpoints"
    path = folder / f"{card.stem}.state.npz"
    state = read_state(path)
    state["training"]["replay_buffer"]["rewards"][-3, 0] = np.nan
    write_state(path, state)
    forged = replace(card, files=tuple(file_entry(folder / entry.path, folder) for entry in card.files))
    (folder / card.name).write_text(json.dumps(forged.to_json()), encoding="utf-8")
    assert cards(root)[0].stem == card.stem
