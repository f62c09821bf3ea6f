"""Files that the section writes before it is finished: the learning curve, and the evaluations so far."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, SupportsFloat

from orchestrator.kernel.files.atomic import write_json
from orchestrator.kernel.session.context import SessionContext
from orchestrator.sb3.training.training_state import TrainingState

LEARNING_CURVE_NAME = "learning_curve.json"
SO_FAR_NAME = "evaluations_so_far.json"


def finite_or_none(value: SupportsFloat) -> float | None:
    """A number for JSON, which has no NaN: None if it is not finite; the verdict then gives the reason."""
    number = float(value)
    return number if math.isfinite(number) else None


def full_stamp(context: SessionContext, training: TrainingState) -> dict[str, Any]:
    """The session's stamp, with the digest of its newest checkpoint."""
    latest = training.parent
    return {**context.ticket.stamp(), "checkpoint_digest": latest.digest if latest else None}


def write_learning_curve(context: SessionContext, training: TrainingState) -> None:
    """Write the evaluations of all sessions of the training, and the steps at which it was cut."""
    record = training.record
    content = {
        "stamp": full_stamp(context, training),
        "steps_done": training.steps,
        "target_steps": training.plan.target_steps,
        "sessions_seams": list(record.seams),
        "best_model": record.best and record.best.in_short(),
        "curve": [asdict(point) for point in record.curve],
    }
    write_json(context.metrics_dir / LEARNING_CURVE_NAME, content)


def write_so_far(context: SessionContext, training: TrainingState, measures: Mapping[str, Mapping[str, Any]]) -> None:
    """Write the results of the controllers evaluated so far, so that an interrupted session keeps them."""
    content = {"stamp": full_stamp(context, training), "complete": False, "controllers": dict(measures)}
    write_json(context.metrics_dir / SO_FAR_NAME, content)


def forget_so_far(context: SessionContext) -> None:
    """Remove the partial file after the complete comparison is written."""
    (context.metrics_dir / SO_FAR_NAME).unlink(missing_ok=True)
