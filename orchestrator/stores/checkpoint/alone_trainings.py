"""Finds the trainings of scripts that ran without a project: `python train.py`, with checkpoints in `.orchestrator`."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.core.checkpoint.compatibility import worse_grade
from orchestrator.kernel.checkpoint.card import CheckpointCard
from orchestrator.kernel.checkpoint.resume_grade import STATISTICAL
from orchestrator.kernel.checkpoint.survey import survey_checkpoints
from orchestrator.kernel.training.alone import ALONE, RESULTS
from orchestrator.kernel.wire import CHECKPOINTS


@dataclass(frozen=True, slots=True, kw_only=True)
class AloneTraining:
    """The training of a script alone.

    Attributes:
        name: POSIX path of the script without `.py`, relative to the folder in which it was started.
        script: The script, None if it is not there: it was started by another path, or moved.
        folder: Its checkpoints are in `checkpoints` below this folder.
        steps: Steps of its newest usable checkpoint, 0 without one.
        grade: How exact it is at the next resume, with all before it; None without a checkpoint.
        proof: Facts of a proof that it resumes exactly, None without one.
        faults: Checkpoint -> why it is not usable.
        live: How far it is, if a process trains it now and that was looked up; a `LiveProgress` as JSON.
    """

    name: str
    script: Path | None
    folder: Path
    steps: int
    grade: str | None
    proof: Mapping[str, Any] | None
    faults: Mapping[str, str]
    live: Mapping[str, Any] | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain JSON form."""
        return {
            "name": self.name,
            "script": None if self.script is None else self.script.as_posix(),
            "folder": self.folder.as_posix(),
            "steps": self.steps,
            "grade": self.grade,
            "proof": None if self.proof is None else dict(self.proof),
            "faults": dict(self.faults),
            "live": None if self.live is None else dict(self.live),
        }


def alone_trainings(start: Path) -> list[AloneTraining]:
    """Trainings of scripts that were started in a folder, by name. What cannot be read is a fault of its training."""
    root = start / ALONE
    unreadable: list[OSError] = []
    found = [_training(start, root, folder) for folder in sorted(_folders(root, unreadable))]
    return found + [_unreadable(root, Path(fault.filename), fault) for fault in unreadable]


def _folders(root: Path, unreadable: list[OSError]) -> Iterator[Path]:
    """Folders with checkpoints; the script's own results are not searched."""
    for place, below, _ in os.walk(root, onerror=unreadable.append if root.is_dir() else None):
        if CHECKPOINTS in below and Path(place) != root:
            yield Path(place)
            below[:] = [name for name in below if name not in (CHECKPOINTS, RESULTS)]


def _training(start: Path, root: Path, folder: Path) -> AloneTraining:
    try:
        survey = survey_checkpoints(folder, folder.name)
    except OSError as fault:
        return _unreadable(root, folder, fault)
    name, newest = folder.relative_to(root), survey.latest
    script = start / name.with_name(f"{name.name}.py")
    return AloneTraining(
        name=name.as_posix(),
        script=script if script.is_file() else None,
        folder=folder,
        steps=0 if newest is None else newest.steps,
        grade=None if newest is None else _grade(newest),
        proof=None if newest is None else newest.proof,
        faults=survey.faults,
    )


def _grade(card: CheckpointCard) -> str:
    """Lowest grade so far; a part that was not kept lowers that of the next resume."""
    lost = STATISTICAL if card.identity.get("lost_state") else None
    return str(worse_grade(card.lowest_grade, lost))


def _unreadable(root: Path, folder: Path, fault: OSError) -> AloneTraining:
    name = folder.relative_to(root).as_posix()
    why = {folder.name: f"cannot be read: {fault.strerror or fault}"}
    return AloneTraining(name=name, script=None, folder=folder, steps=0, grade=None, proof=None, faults=why)
