"""Save: write a training at a safe boundary as a checkpoint, and its metadata beside it."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from orchestrator.kernel.checkpoint.save import save_checkpoint
from orchestrator.kernel.wire import STATE_SUFFIX
from orchestrator.sb3.state.npz_tree import write_state
from orchestrator.sb3.state.policy_probe import probe_tree
from orchestrator.sb3.state.sb3_zip import loadable_files
from orchestrator.sb3.state.training_state_io import capture_state
from orchestrator.sb3.training.metadata import write_metadata
from orchestrator.sb3.training.soundness import require_finite_record, require_finite_training
from orchestrator.sb3.training.training_state import LastSave, Training, TrainingState, is_due

SHARE_OF_TRAINING = 0.02
"""Saves take at most this share of the time, however large the replay buffer is."""


def save_is_due(training: TrainingState) -> bool:
    """Whether to save now: by cadence in steps, unless the last save was too recent.

    A save does not change the training, so the clock may decide here. The save at a session's end is always made.
    """
    last_steps, every_steps = training.record.last_save_steps, training.plan.checkpoint_every_steps
    if not is_due(training.steps, last_steps=last_steps, every_steps=every_steps):
        return False
    last = training.last_save
    if last is None:
        return True
    if training.context.monotonic() - last.ended_s >= pause_after(last.took_s):
        return True
    training.record.last_save_steps = training.steps  # the next one is due at the next multiple of the cadence
    return False


def pause_after(took_s: float) -> float:
    """Seconds of training after a save that took `took_s` seconds, before the next one is made."""
    return took_s / SHARE_OF_TRAINING


def save_training(training: Training) -> None:
    """Write a checkpoint of the current state and make it the parent of the next one.

    Nothing is written before the first step, or if the current step is already saved.

    Raises:
        NonFiniteTraining: The state holds NaN or an infinity. The last checkpoint stays the newest.
        OSError: A file cannot be written; earlier checkpoints are untouched.
    """
    context, plan, model = training.context, training.plan, training.model
    already = 0 if training.parent is None else training.parent.steps
    if training.steps == already:
        return
    started_s = context.monotonic()
    training.record.last_save_steps = training.steps
    tree, loadable = session_tree(training), loadable_files(model)
    identity = training.identity()
    training.parent = save_checkpoint(
        context.models_dir,
        scenario=plan.scenario,
        steps=training.steps,
        writers={
            **{suffix: partial(_write_bytes, content=content) for suffix, content in loadable.items()},
            STATE_SUFFIX: lambda path: write_state(path, tree),
            **training.further_files(),
        },
        identity=identity,
        stamp=context.ticket.stamp(),
        parent=training.parent,
        now=context.now(),
        continued=training.continued,
        proof=training.proof(identity),
    )
    write_metadata(training)
    ended_s = context.monotonic()
    training.last_save = LastSave(ended_s=ended_s, took_s=ended_s - started_s)
    context.deadline.measured("save", ended_s - started_s)
    context.reporter.event("saved", steps=training.steps, checkpoint=training.parent.stem)


def _write_bytes(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def session_tree(training: Training) -> dict[str, Any]:
    """Content of the side file. Only `provenance` depends on how the run was cut into sessions.

    Raises:
        NonFiniteTraining: A number in it, or of the model, is NaN or infinite.
    """
    captured = capture_state(training.model)
    require_finite_training(training, captured)  # first, since the probe needs finite weights
    beside = {
        "selection": training.record.selection_tree(),
        "probe": probe_tree(training.model),
        "provenance": training.record.provenance_tree(),
    }
    require_finite_record(training, beside)
    return {"training": captured, **beside}
