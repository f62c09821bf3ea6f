"""Writes an adopted checkpoint: into a folder to copy from, or for a script that trains alone."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from orchestrator.core.checkpoint.adoption import ForeignModel
from orchestrator.core.checkpoint.inventory import FetchedCheckpoints
from orchestrator.core.errors import BadInput, InUse
from orchestrator.kernel.checkpoint.card import CheckpointCard
from orchestrator.kernel.checkpoint.survey import survey_checkpoints
from orchestrator.kernel.files.atomic import write_bytes, write_json
from orchestrator.kernel.outcome import SessionRefused
from orchestrator.kernel.training.folder_lock import FolderLock
from orchestrator.kernel.wire import CHECKPOINTS, MODEL_SUFFIX, NORMALIZATION_SUFFIX, checkpoint_steps
from orchestrator.stores.checkpoint.entries import checkpoint_entries

_STAGED = ".adopting"


def stage(folder: Path, model: ForeignModel, card: CheckpointCard) -> FetchedCheckpoints:
    """Write the checkpoint below an empty folder, in the layout of a models directory."""
    _write(folder / CHECKPOINTS, model, card)
    return FetchedCheckpoints(root=folder, verified=(card,), entries=tuple(checkpoint_entries(folder, (card,))))


def place_alone(folder: Path, model: ForeignModel, card: CheckpointCard) -> None:
    """Put the checkpoint into the folder of a script that trains alone, completely or not at all.

    Raises:
        InUse: A process trains there.
        BadInput: It holds a training already, or it cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FolderLock(folder)
    except SessionRefused as fault:
        raise InUse(str(fault), remedy=fault.remedy) from fault
    except OSError as fault:
        raise BadInput(
            f"{folder} cannot be written: {fault.strerror or fault}",
            remedy="Set ORCHESTRATOR_FOLDER to a folder that you may write.",
        ) from fault
    try:
        _require_no_training(folder, card.scenario)
        _place(folder, model, card)
    finally:
        lock.release()


def _require_no_training(folder: Path, scenario: str) -> None:
    survey = survey_checkpoints(folder, scenario)
    if survey.verified or survey.faults:
        steps = survey.latest.steps if survey.latest else max(checkpoint_steps(stem) or 0 for stem in survey.faults)
        raise BadInput(
            f"{folder} already holds a training ({steps} steps), which is never overwritten",
            remedy="Move this folder away, then run the same command again.",
        )


def _place(folder: Path, model: ForeignModel, card: CheckpointCard) -> None:
    """Fill a folder beside the checkpoints, then rename it: a kill leaves no checkpoint, or the whole one."""
    staged, place = folder / _STAGED, folder / CHECKPOINTS
    shutil.rmtree(staged, ignore_errors=True)  # of an interrupted command
    try:
        own = [path.name for path in _left(place)]
        if own:
            raise BadInput(
                f"{place} holds files that are no checkpoint: {', '.join(sorted(own)[:3])}",
                remedy="Move them away, then run the same command again.",
            )
        _write(staged, model, card)
        if place.is_dir():
            place.rmdir()
        os.replace(staged, place)
    except OSError as fault:
        raise BadInput(
            f"{folder} cannot be written: {fault.strerror or fault}",
            remedy="Make room, or set ORCHESTRATOR_FOLDER to a folder that you may write.",
        ) from fault


def _left(place: Path) -> Iterator[Path]:
    """The files in the folder for checkpoints, without those of a killed save, which are deleted."""
    for path in list(place.iterdir()) if place.is_dir() else []:
        if path.name.startswith(".partial-") and path.is_file():
            path.unlink()
        else:
            yield path


def _write(folder: Path, model: ForeignModel, card: CheckpointCard) -> None:
    write_bytes(folder / (card.stem + MODEL_SUFFIX), model.content)
    if model.normalization is not None:
        write_bytes(folder / (card.stem + NORMALIZATION_SUFFIX), model.normalization)
    write_json(folder / card.name, card.to_json())
