"""The section's training as `prove-resume` runs it: the same learning in the same world, without the comparison."""

from __future__ import annotations

from kernel_templates.kernel_runtime.context import SessionContext
from kernel_templates.kernel_runtime.endings import SectionOutcome
from validation_ch7.learning.proof import prove_part
from validation_ch7.section_7_6_rl_performance.world import traffic_world


def run(context: SessionContext) -> SectionOutcome:
    """Do one session's part of the proof; what the kernel calls."""
    return prove_part(context, traffic_world())
