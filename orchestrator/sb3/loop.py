"""One session of a training: start or resume, train until the target or until the session must stop, save."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Any

from orchestrator.kernel.checkpoint.resume_grade import WEIGHTS_ONLY
from orchestrator.kernel.outcome import KernelEnding
from orchestrator.kernel.session.context import SessionContext
from orchestrator.kernel.training.kept_state.logs import read_logs
from orchestrator.kernel.wire import final_model_name
from orchestrator.sb3.checkpoint.resume import begin_training
from orchestrator.sb3.checkpoint.save import save_is_due, save_training
from orchestrator.sb3.logs.curves import Curves
from orchestrator.sb3.logs.training_logs import TrainingLogs
from orchestrator.sb3.rollout_callback import LeftAtBoundary, SafeBoundary
from orchestrator.sb3.state.policy_digest import policy_digest
from orchestrator.sb3.state.replay_buffer import replay_transitions
from orchestrator.sb3.state.sb3_zip import write_model
from orchestrator.sb3.state.training_state_io import restore_sections
from orchestrator.sb3.throughput import Throughput
from orchestrator.sb3.training.best_model import evaluate_policy, evaluation_is_due
from orchestrator.sb3.training.metadata import write_metadata
from orchestrator.sb3.training.tensorboard import CURVES, curves_into
from orchestrator.sb3.training.training_spec import TrainingSpec
from orchestrator.sb3.training.training_state import Task, TrainingState


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingResult:
    """Result of a session's training.

    Attributes:
        ending: `FINISHED` at the target, `PAUSED` at the deadline, `STOPPED` on request.
        training: The training's final state.
        facts: Facts for the orchestrator's checks, plain JSON.
    """

    ending: KernelEnding
    training: TrainingState
    facts: dict[str, Any]


def train(context: SessionContext, plan: TrainingSpec, task: Task) -> TrainingResult:
    """Train a lineage towards its target and save it at the end of the session.

    Raises:
        SessionRefused: The checkpoint must not be continued.
        ValueError: The spec is invalid.
        ArithmeticError: The training diverged.
    """
    training = begin_training(context, plan, task)
    folder = context.metrics_dir.parent / CURVES / context.ticket.lineage_id[:8]
    with curves_into(folder, training.model):
        _continue_logs(training)
        return _train(training)


def _continue_logs(training: TrainingState) -> None:
    """Write the curves on from the checkpoint, without the points of lost work."""
    context, card = training.context, training.resumed_from
    curves = Curves(context.models_dir, remembers=False)
    logs = TrainingLogs(training.model, curves, say=context.reporter.say, began_s=context.now().timestamp())
    if card is not None and training.grade is not None and training.grade.grade != WEIGHTS_ONLY:
        logs.resume(read_logs(context.models_dir, card))
    logs.learn_begins([], None)
    logs.at_boundary()
    training.logs = logs.capture


def _train(training: TrainingState) -> TrainingResult:
    context, plan = training.context, training.plan
    throughput = Throughput(training)
    if training.at_target:
        context.reporter.say(f"Target of {plan.target_steps} steps already reached ({training.steps} done)")
    else:
        _learn(training, throughput)
    throughput.reached_boundary()
    if training.at_target and not context.must_leave:
        _act_if_due(training, save=False)
    save_training(training)
    if training.at_target:
        write_model(training.model, context.models_dir / final_model_name(plan.scenario))
    write_metadata(training)
    throughput.report(last=True)
    ending = KernelEnding.FINISHED if training.at_target else ending_when_leaving(context)
    return TrainingResult(ending=ending, training=training, facts=training_facts(training, throughput))


def ending_when_leaving(context: SessionContext) -> KernelEnding:
    """Ending of a session that stops before its target: on request, or at the deadline."""
    return KernelEnding.STOPPED if context.stop.requested else KernelEnding.PAUSED


def _learn(training: TrainingState, throughput: Throughput) -> None:
    def must_leave_after() -> bool:
        if training.drawn:  # only at the first boundary of a resumed session
            restore_sections(training.model, training.drawn)
            training.drawn = {}
        throughput.reached_boundary()
        if not training.context.must_leave:
            _act_if_due(training, save=True)
        throughput.leaves_boundary()
        return training.context.must_leave

    remaining_steps = training.plan.target_steps - training.steps
    callback = SafeBoundary(must_leave_after)
    # Stopping here is exact: at the boundary no iteration is half done. The step counter is never reset: a fresh
    # training has no last observation, so `learn` resets its environment anyway.
    with contextlib.suppress(LeftAtBoundary):
        training.model.learn(remaining_steps, callback=callback, reset_num_timesteps=False)


def _act_if_due(training: TrainingState, *, save: bool) -> None:
    """Evaluate, then save, if due; in this order, so that a checkpoint contains the evaluation of its own step.

    What is still due when a session stops is done by the next session at the same step, since it depends on saved
    steps only.
    """
    if evaluation_is_due(training):
        evaluate_policy(training)
    if save and save_is_due(training):
        save_training(training)


def training_facts(training: TrainingState, throughput: Throughput) -> dict[str, Any]:
    """Facts that show what was trained, how much, and at what cost; plain JSON."""
    model, record, totals_s = training.model, training.record, training.context.deadline.totals_s
    spent_s = sum(totals_s.values())
    trained = training.steps > training.steps_start
    buffer = getattr(model, "replay_buffer", None)
    return {
        "gradient_updates": model._n_updates,
        "gradient_updates_this_session": model._n_updates - training.updates_start,
        "policy_digest_before": record.policy_digest_at_start,
        "policy_digest_after": policy_digest(model.policy),
        "overshoot_steps": max(0, training.steps - training.plan.target_steps) if trained else 0,
        "replay_transitions": replay_transitions(buffer) if buffer is not None else None,
        "steps_per_s": round(throughput.steps_per_s, 1),
        "evaluation_share": round(totals_s.get("evaluate", 0.0) / spent_s, 4) if spent_s > 0 else 0.0,
        "save_share": round(totals_s.get("save", 0.0) / spent_s, 4) if spent_s > 0 else 0.0,
        "evaluations": len(record.curve),
        "best_model_steps": record.best.steps if record.best else None,
        "best_model_score": record.best.score if record.best else None,
        "sessions_seams": list(record.seams),
    }
