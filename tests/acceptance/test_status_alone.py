"""`status` and `checkpoints list` show what a script has saved without a section."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from orchestrator.stores.checkpoint import alone_trainings as module
from orchestrator.stores.checkpoint.alone_trainings import alone_trainings
from orchestrator.wiring.live import alone_progress
from tests.doubles.commands import orchestrate
from tests.doubles.script_section import SCRIPT, make_script_project

LOSSY = SCRIPT.replace("total=0.0)", "total=0.0, extra=print)")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = make_script_project(tmp_path / "project")
    monkeypatch.chdir(root)
    return root


def train(root: Path, script: str = "train.py", text: str = SCRIPT) -> Path:
    """Run a script alone; returns its folder."""
    (root / script).parent.mkdir(parents=True, exist_ok=True)
    (root / script).write_text(text, encoding="utf-8")
    clean = {name: value for name, value in os.environ.items() if not name.startswith("ORCHESTRATOR_")}
    environ = {**clean, "PYTHONPATH": str(Path(__file__).parents[2])}
    subprocess.run([sys.executable, script], cwd=root, env=environ, check=True, capture_output=True)
    return root / ".orchestrator/alone" / script.removesuffix(".py")


def test_status_lists_each_script_with_steps_and_grade(project: Path) -> None:
    train(project)
    train(project, "Mes essais/été.py", LOSSY)
    answer = orchestrate(project, "status")
    assert answer.code == 0, answer.err
    assert "  train.py: 40 steps saved, grade exact, in .orchestrator/alone/train\n" in answer.out
    lossy = "  Mes essais/été.py: 40 steps saved, grade statistical, in .orchestrator/alone/Mes essais/été"
    assert lossy in answer.out and "No runs yet" not in answer.out
    rows = orchestrate(project, "status", "--json").json["alone"]
    assert [(row["name"], row["steps"], row["grade"]) for row in rows] == [
        ("Mes essais/été", 40, "statistical"),
        ("train", 40, "exact"),
    ]
    assert "train.py" not in orchestrate(project, "status", "mine").out


def test_status_shows_how_far_a_script_is_while_it_trains(project: Path) -> None:
    folder = train(project)
    assert orchestrate(project, "status", "--json").json["alone"][0]["live"] is None, "it has ended"
    now = datetime.now(tz=UTC)
    running = {"kind": "progress", "steps": 60, "target_steps": 90, "steps_per_s": 2.0, "eta_s": 15.0, "score": -1.5}
    later = (now + timedelta(hours=1, minutes=-5)).isoformat()
    with (folder / "events.jsonl").open("a", encoding="utf-8") as stream:
        stream.write(json.dumps({**running, "at": now.isoformat(), "deadline_at": later}) + "\n")
    answer = orchestrate(project, "status")
    assert "    60 of 90 steps | 2 steps/s | 0:00:15 left | reward -1.5 | deadline in 0:5" in answer.out
    (row,) = orchestrate(project, "status", "--json").json["alone"]
    assert (row["live"]["steps"], row["live"]["reward"]) == (60, -1.5)
    assert alone_progress(folder, now + timedelta(seconds=40)) is None, "it was killed"


def test_damaged_and_unreadable_checkpoints_are_named(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = train(project)
    (folder / "outputs/checkpoints").mkdir(parents=True)
    (model,) = (folder / "checkpoints").glob("*.zip")
    model.write_bytes(b"damaged")
    (project / "train.py").unlink()
    out = orchestrate(project, "status").out
    assert "  train: no usable checkpoint, in .orchestrator/alone/train\n    ✗ train_checkpoint_40_steps: " in out
    assert len(alone_trainings(project)) == 1

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied", "train")

    monkeypatch.setattr(module, "survey_checkpoints", refuse)
    (one,) = alone_trainings(project)
    assert one.faults == {"train": "cannot be read: Permission denied"}


def test_a_section_without_checkpoints_names_those_of_its_script(project: Path) -> None:
    assert "alone has saved" not in orchestrate(project, "checkpoints", "list", "mine").out
    folder = train(project)
    out = orchestrate(project, "checkpoints", "list", "mine").out
    assert (
        f"train.py alone has saved 40 steps in {folder}: `python train.py` continues them, the section does not" in out
    )
    assert orchestrate(project, "run", "mine", "--quick", "--json").json["steps_start"] in (None, 0)


def test_the_first_command_names_a_section_that_can_run(project: Path) -> None:
    cards = project / "configs/sections"
    (cards / "broken.yaml").write_text("section: broken\n", encoding="utf-8")
    assert "No runs yet: python -m orchestrator run mine --quick" in orchestrate(project, "status").out
    (cards / "mine.yaml").unlink()
    answer = orchestrate(project, "status")
    assert "No runs yet, and no section that can run: `orchestrator init DIR` writes a project" in answer.out
    assert "section_7_6" not in answer.out + answer.err
