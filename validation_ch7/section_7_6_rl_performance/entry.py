"""Section 7.6 in one session: train towards the target; at the target compare, judge and write the results."""

from __future__ import annotations

from orchestrator.kernel.outcome import SectionOutcome
from orchestrator.kernel.schema import own_values
from orchestrator.kernel.session.context import SessionContext
from orchestrator.sb3.training.training_spec import TrainingSpec
from validation_ch7.section_7_6_rl_performance.evaluation.ahead import baselines_ahead
from validation_ch7.section_7_6_rl_performance.schema import Schema


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
    with baselines_ahead(context, plan) as wait:
        # These libraries load for seconds, in which the second process measures already.
        from validation_ch7.section_7_6_rl_performance.training import train_and_compare

        return train_and_compare(context, plan, wait)
