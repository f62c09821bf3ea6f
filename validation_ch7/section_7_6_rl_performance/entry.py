"""Section 7.6 in one session: train towards the target; at the target compare, judge and write the results."""

from __future__ import annotations

from typing import Any

from orchestrator.kernel.environment.libraries import library_versions
from orchestrator.kernel.outcome import KernelEnding, SectionOutcome, Verdict
from orchestrator.kernel.schema import own_values
from orchestrator.kernel.session.context import SessionContext
from orchestrator.sb3.loop import TrainingResult, ending_when_leaving, train
from orchestrator.sb3.training.training_spec import TrainingSpec
from validation_ch7.section_7_6_rl_performance.evaluation.ahead import baselines_ahead
from validation_ch7.section_7_6_rl_performance.evaluation.comparison import LeftComparison, compare_controllers
from validation_ch7.section_7_6_rl_performance.evaluation.control_check import control_faults
from validation_ch7.section_7_6_rl_performance.evaluation.partial_results import forget_so_far, write_learning_curve
from validation_ch7.section_7_6_rl_performance.evaluation.task import traffic_world
from validation_ch7.section_7_6_rl_performance.schema import Schema
from validation_ch7.section_7_6_rl_performance.write_results import conclude, summary_of


def run(context: SessionContext) -> SectionOutcome:
    """Run one session of the section; called by the kernel.

    Returns:
        `FINISHED` at the target with all controllers compared; `PAUSED` or `STOPPED` with the training saved;
        `SECTION_FAILED`, without training, if the control has no effect.

    Raises:
        SessionRefused: The checkpoint must not be continued.
        ValueError: The spec is invalid; the message names the key.
        ArithmeticError: The training diverged.
    """
    plan = TrainingSpec.from_json(context.ticket.spec, Schema)
    own_values(Schema, context.ticket.spec)  # checked first, so that a mistake does not cost a training
    faults = control_faults(plan.lineage.environment)
    if faults:
        return SectionOutcome(ending=KernelEnding.SECTION_FAILED, verdict=Verdict.INVALID, verdict_reasons=faults)
    with baselines_ahead(context, plan) as wait:
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
