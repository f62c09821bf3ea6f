"""Save: write a checkpoint so that it exists wholly or not at all, then rotate the older ones as units."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from kernel_templates.kernel_runtime.atomic import write_atomically, write_json
from kernel_templates.kernel_runtime.cards import Ancestor, CheckpointCard
from kernel_templates.kernel_runtime.digests import file_entry
from kernel_templates.kernel_runtime.grading import EXACT
from kernel_templates.kernel_runtime.wire import CHECKPOINTS, checkpoint_stem, checkpoint_steps

KEPT_CHECKPOINTS = 2


def save_checkpoint(
    models_dir: Path,
    *,
    scenario: str,
    steps: int,
    writers: Mapping[str, Callable[[Path], None]],
    identity: Mapping[str, Any],
    stamp: Mapping[str, Any],
    parent: CheckpointCard | None,
    now: datetime,
    continued: str = EXACT,
) -> CheckpointCard:
    """Write one checkpoint: its files first, its card last.

    A kill before the card leaves files without a card, which no reader accepts; a kill after it leaves a
    whole checkpoint. Only then are older ones removed.

    Args:
        models_dir: The models directory; files go to its `checkpoints` folder.
        scenario: Scenario name, part of the stem.
        steps: Environment steps done.
        writers: File suffix (`.zip`, `.state.npz` ...) -> function that writes that file to the path it is given.
        identity: What a later session compares before it resumes.
        stamp: `Ticket.stamp()` of this session.
        parent: The checkpoint that this one continues, None at the beginning of a lineage.
        now: Time of the save, aware UTC.
        continued: Grade at which the parent was taken over.

    Returns:
        The committed card.

    Raises:
        OSError: The disk refused; earlier checkpoints are untouched.
    """
    folder = models_dir / CHECKPOINTS
    stem = checkpoint_stem(scenario, steps)
    for suffix, write in writers.items():
        write_atomically(folder / (stem + suffix), write)
    ancestry: tuple[Ancestor, ...] = ()
    if parent:
        ancestry = (*parent.ancestry, Ancestor(steps=parent.steps, digest=parent.digest, continued=continued))
    card = CheckpointCard(
        stem=stem,
        scenario=scenario,
        steps=steps,
        files=tuple(file_entry(folder / (stem + suffix), folder) for suffix in writers),
        identity=dict(identity),
        stamp=dict(stamp),
        saved_at=now.isoformat(),
        ancestry=ancestry,
    )
    write_json(folder / card.name, card.to_json())
    rotate(folder, scenario)
    return card


def rotate(folder: Path, scenario: str, keep: int = KEPT_CHECKPOINTS) -> tuple[str, ...]:
    """Delete all but the newest `keep` checkpoints of a scenario, each with all its files, cards first.

    Newest means most steps. Removing the card first means that a kill half-way leaves no card that
    promises a file which is gone. Files without a card older than the kept ones go too.

    Returns:
        Stems removed.
    """
    carded = {path.stem for path in folder.glob(f"{scenario}_checkpoint_*_steps.json")}
    by_steps = sorted(carded, key=_steps_of, reverse=True)
    if len(by_steps) <= keep:
        return ()
    floor_steps = _steps_of(by_steps[keep - 1])
    removed: list[str] = []
    for stem in sorted({_stem_of(path) for path in folder.iterdir()} - {""}, key=_steps_of):
        if stem.startswith(f"{scenario}_checkpoint_") and _steps_of(stem) < floor_steps:
            (folder / f"{stem}.json").unlink(missing_ok=True)
            for path in folder.glob(f"{stem}.*"):
                path.unlink()
            removed.append(stem)
    return tuple(removed)


def _steps_of(stem: str) -> int:
    steps = checkpoint_steps(stem)
    return -1 if steps is None else steps


def _stem_of(path: Path) -> str:
    stem = path.name.split(".", 1)[0]
    return stem if checkpoint_steps(stem) is not None else ""
