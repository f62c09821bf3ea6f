"""Chooses the best model on tuning scenarios and writes its files, without any effect on the training."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from orchestrator.kernel.checkpoint.card import CheckpointCard, card_fault, read_card
from orchestrator.kernel.files.atomic import write_bytes, write_json
from orchestrator.kernel.files.digests import file_entry
from orchestrator.kernel.wire import BEST_MODEL, BEST_MODEL_CARD, BEST_MODEL_NORMALIZATION
from orchestrator.sb3.algorithms.normalization import normalization_of, returns_of
from orchestrator.sb3.state.policy_digest import policy_digest
from orchestrator.sb3.state.rng_state import untouched_generators
from orchestrator.sb3.state.sb3_zip import model_bytes, with_statistics
from orchestrator.sb3.training.history import BestModel, CurvePoint
from orchestrator.sb3.training.soundness import require_finite_parameters
from orchestrator.sb3.training.tensorboard import add_evaluation
from orchestrator.sb3.training.training_state import Training, TrainingState, is_due


def evaluation_is_due(training: TrainingState) -> bool:
    """Whether to evaluate now: by cadence, and at the target if there is no best model yet."""
    record, plan = training.record, training.plan
    if training.at_target and record.best is None:
        return True
    return is_due(training.steps, last_steps=record.last_eval_steps, every_steps=plan.evaluate_every_steps)


def evaluate_policy(training: TrainingState) -> None:
    """Evaluate the current policy, add a point to the curve, and store the model if it is the best so far.

    Raises:
        NonFiniteTraining: A number of the model is NaN or infinite.
        ArithmeticError: The score or a measure is not finite.
    """
    context, record, model = training.context, training.record, training.model
    started_s = context.monotonic()
    require_finite_parameters(training)
    with untouched_generators():
        evaluation = training.task.evaluate(model, training.plan.lineage)
    for name, value in {"score": evaluation.score, **evaluation.measures}.items():
        if not math.isfinite(value):
            raise ArithmeticError(f"the evaluation after {training.steps} steps gave the {name} {value}")
    point = CurvePoint(
        steps=training.steps,
        score=float(evaluation.score),
        gradient_updates=model._n_updates,
        policy_digest=policy_digest(model.policy),
        measures={name: float(value) for name, value in evaluation.measures.items()},
    )
    record.curve.append(point)
    record.last_eval_steps = point.steps
    add_evaluation(model.logger, point.steps, point.measures)
    if record.best is None or point.score > record.best.score:
        record.best = BestModel(
            steps=point.steps,
            score=point.score,
            policy_digest=point.policy_digest,
            model_zip=model_bytes(model),
            normalization=normalization_of(model),
            returns=returns_of(model),
        )
        _write_best_model(training, record.best)
    context.deadline.measured("evaluate", context.monotonic() - started_s)
    context.reporter.event(
        "evaluated",
        steps=point.steps,
        score=point.score,
        best_steps=record.best.steps,
        measures=point.measures,
    )


def place_best_model(training: Training) -> None:
    """Make `best_model/` agree with the checkpoint that was just resumed.

    A session that died after its last checkpoint may have left a newer best model, and a carrier may have dropped the
    file. The checkpoint contains the best model that belongs to it.
    """
    best = training.record.best
    if best is None or _is_in_place(training.context.models_dir, _files_of_best(training, best)):
        return
    training.context.reporter.say(f"[CHECKPOINT] Best model put back as of {best.steps} steps")
    _write_best_model(training, best)


def _files_of_best(training: Training, best: BestModel) -> dict[PurePosixPath, bytes]:
    """Files of the best model by path: the zip and, if the training normalizes, the statistics of the same moment."""
    files = with_statistics(best.model_zip, training.model, observations=best.normalization, returns=best.returns)
    return {BEST_MODEL.with_name(BEST_MODEL.stem + suffix): content for suffix, content in files.items()}


def _is_in_place(models_dir: Path, files: Mapping[PurePosixPath, bytes]) -> bool:
    card_path = models_dir / BEST_MODEL_CARD
    if not card_path.is_file():
        return False
    try:
        card = read_card(card_path)
    except ValueError:
        return False  # a damaged card is rewritten from the verified checkpoint
    wanted = {path.name: hashlib.sha256(content).hexdigest() for path, content in files.items()}
    return {entry.path: entry.sha256 for entry in card.files} == wanted and card_fault(card, card_path.parent) is None


def _write_best_model(training: Training, best: BestModel) -> None:
    """Write its files first and its card last, as for every checkpoint."""
    context, files = training.context, _files_of_best(training, best)
    paths = [context.models_dir / name for name in files]
    for path, content in zip(paths, files.values(), strict=True):
        write_bytes(path, content)
    if BEST_MODEL_NORMALIZATION not in files:  # remove the statistics of an earlier best model
        (context.models_dir / BEST_MODEL_NORMALIZATION).unlink(missing_ok=True)
    identity = training.identity()
    card = CheckpointCard(
        stem=BEST_MODEL.stem,
        scenario=training.plan.scenario,
        steps=best.steps,
        files=tuple(file_entry(path, path.parent) for path in paths),
        identity={**identity, "policy_digest": best.policy_digest, "score": best.score},
        stamp=context.ticket.stamp(),
        saved_at=context.now().isoformat(),
        adopted=training.parent.adopted if training.parent else None,
    )
    write_json(context.models_dir / BEST_MODEL_CARD, card.to_json())
