"""Save: one training at one safe boundary becomes one checkpoint, with its metadata beside it."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from orchestrator.kernel.checkpoint.save import save_checkpoint
from orchestrator.kernel.wire import STATE_SUFFIX
from orchestrator.sb3.state.identity import current_identity
from orchestrator.sb3.state.npz_tree import write_state
from orchestrator.sb3.state.policy_probe import probe_tree
from orchestrator.sb3.state.sb3_zip import loadable_files
from orchestrator.sb3.state.training_state_io import capture_state
from orchestrator.sb3.training.metadata import write_metadata
from orchestrator.sb3.training.soundness import require_finite_record, require_finite_training
from orchestrator.sb3.training.training_state import LastSave, TrainingState, is_due

SAVES_APART_S = 30.0
"""After so many seconds a save that is due is made whatever it costs."""
SHARE_OF_TRAINING = 0.02
"""Sooner only if saves then take no more than this share of the time."""


def save_is_due(training: TrainingState) -> bool:
    """By cadence in steps; one that would come too soon after the last is skipped.

    A save changes nothing of a training, so that a clock may skip one; nothing that affects weights asks it. The
    save at a session's end is always made, whatever this says.
    """
    last_steps, every_steps = training.record.last_save_steps, training.plan.checkpoint_every_steps
    if not is_due(training.steps, last_steps=last_steps, every_steps=every_steps):
        return False
    if _comes_too_soon(training):
        training.record.last_save_steps = training.steps  # the next one is due at the next multiple of the cadence
        return False
    return True


def _comes_too_soon(training: TrainingState) -> bool:
    last = training.last_save
    if last is None:
        return False
    pause_s = min(SAVES_APART_S, last.took_s / SHARE_OF_TRAINING)
    return training.context.monotonic() - last.ended_s < pause_s


def save_training(training: TrainingState) -> None:
    """Write a checkpoint of this moment and make it the parent of the next one.

    Nothing is written when this moment is already saved, or when there is nothing to save yet: no step done.

    Raises:
        NonFiniteTraining: A part of it holds NaN or an infinity. The last sound checkpoint stays the newest.
        OSError: The disk refused; earlier checkpoints are untouched.
    """
    context, plan, model = training.context, training.plan, training.model
    already = 0 if training.parent is None else training.parent.steps
    if training.steps == already:
        return
    started_s = context.monotonic()
    training.record.last_save_steps = training.steps
    tree, loadable = session_tree(training), loadable_files(model)
    training.parent = save_checkpoint(
        context.models_dir,
        scenario=plan.scenario,
        steps=training.steps,
        writers={
            **{suffix: partial(_write_bytes, content=content) for suffix, content in loadable.items()},
            STATE_SUFFIX: lambda path: write_state(path, tree),
        },
        identity=current_identity(context.ticket, model),
        stamp=context.ticket.stamp(),
        parent=training.parent,
        now=context.now(),
        continued=training.continued,
    )
    write_metadata(training)
    ended_s = context.monotonic()
    training.last_save = LastSave(ended_s=ended_s, took_s=ended_s - started_s)
    context.deadline.measured("save", ended_s - started_s)
    context.reporter.event("saved", steps=training.steps, checkpoint=training.parent.stem)


def _write_bytes(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def session_tree(training: TrainingState) -> dict[str, Any]:
    """Everything beside the model zip. Only `provenance` tells how the run was cut into sessions.

    Raises:
        NonFiniteTraining: A number in it, or of the model, is NaN or infinite.
    """
    captured = capture_state(training.model)
    require_finite_training(training, captured)  # first: a policy of NaN cannot be probed
    beside = {
        "selection": training.record.selection_tree(),
        "probe": probe_tree(training.model),
        "provenance": training.record.provenance_tree(),
    }
    require_finite_record(training, beside)
    return {"training": captured, **beside}
