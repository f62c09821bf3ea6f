"""The section's training as `prove-resume` runs it: the same task and algorithm, without the comparison."""

from __future__ import annotations

from orchestrator.kernel.outcome import SectionOutcome
from orchestrator.kernel.session.context import SessionContext
from orchestrator.sb3.resume_proof.runner import prove_part
from validation_ch7.section_7_6_rl_performance.evaluation.task import traffic_world
from validation_ch7.section_7_6_rl_performance.schema import Schema


def run(context: SessionContext) -> SectionOutcome:
    """Run one session's part of the proof; called by the kernel."""
    return prove_part(context, traffic_world(), Schema)
