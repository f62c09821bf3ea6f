"""Trains the policy of section 7.6; at the target compares, judges and writes the results."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from orchestrator.kernel.environment.libraries import library_versions
from orchestrator.kernel.outcome import KernelEnding, SectionOutcome, Verdict
from orchestrator.kernel.session.context import SessionContext
from orchestrator.sb3.loop import TrainingResult, ending_when_leaving, train
from orchestrator.sb3.training.training_spec import TrainingSpec
from validation_ch7.section_7_6_rl_performance.evaluation.comparison import LeftComparison, compare_controllers
from validation_ch7.section_7_6_rl_performance.evaluation.control_check import control_faults
from validation_ch7.section_7_6_rl_performance.evaluation.partial_results import forget_so_far, write_learning_curve
from validation_ch7.section_7_6_rl_performance.evaluation.task import traffic_world
from validation_ch7.section_7_6_rl_performance.write_results import conclude, summary_of


def train_and_compare(context: SessionContext, plan: TrainingSpec, wait: Callable[[], None]) -> SectionOutcome:
    """Continue the training as far as the session allows.

    Args:
        context: The session.
        plan: The training.
        wait: Returns when the baselines that are measured elsewhere are in the shared folder.

    Returns:
        See `entry.run`.

    Raises:
        SessionRefused: The checkpoint must not be continued.
        ArithmeticError: The training diverged.
    """
    faults = control_faults(plan.lineage.environment)
    if faults:
        return SectionOutcome(ending=KernelEnding.SECTION_FAILED, verdict=Verdict.INVALID, verdict_reasons=faults)
    result = train(context, plan, traffic_world())
    write_learning_curve(context, result.training)
    if result.ending is not KernelEnding.FINISHED:
        return SectionOutcome(ending=result.ending, **_training_fields(result))
    try:
        comparison = compare_controllers(context, result.training, wait)
    except LeftComparison:
        return SectionOutcome(ending=ending_when_leaving(context), **_training_fields(result))
    judgement = conclude(context, result, comparison)
    forget_so_far(context)
    context.reporter.say(f"Verdict: {judgement.verdict.value}. " + " ".join(judgement.reasons))
    return SectionOutcome(
        ending=KernelEnding.FINISHED,
        verdict=judgement.verdict,
        verdict_reasons=judgement.reasons,
        summary=summary_of(comparison, judgement),
        **_training_fields(result),
    )


def _training_fields(result: TrainingResult) -> dict[str, Any]:
    """The fields of an outcome about the training."""
    training = result.training
    resumed, grade = training.resumed_from, training.grade
    return {
        "steps_start": training.steps_start,
        "steps_done": training.steps,
        "resumed_from": resumed.digest if resumed else None,
        "resume_grade": grade.grade if grade else None,
        "resume_reasons": grade.reasons if grade else (),
        "training": result.facts,
        "runtime": {**library_versions(), "device": str(training.model.device)},
    }
