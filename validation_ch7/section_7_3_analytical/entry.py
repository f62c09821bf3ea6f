"""Section 7.3 in one session: examine the solver, judge, write the results. It trains nothing and saves nothing."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from orchestrator.kernel.outcome import KernelEnding, SectionOutcome
from orchestrator.kernel.schema import own_values
from orchestrator.kernel.session.context import SessionContext
from validation_ch7.section_7_3_analytical.checks.setting import Setting
from validation_ch7.section_7_3_analytical.examination import LeftExamination, examine
from validation_ch7.section_7_3_analytical.schema import Schema
from validation_ch7.section_7_3_analytical.write_results import conclude, summary_of
from validation_ch7.traffic.env.settings import EnvironmentSettings


def run(context: SessionContext) -> SectionOutcome:
    """Run the section; called by the kernel.

    Returns:
        `FINISHED` with the verdict; `PAUSED` or `STOPPED` without one if the session had to stop. There is nothing to
        save: the next session starts at the first check.

    Raises:
        ValueError: The spec is invalid; the message names the key.
    """
    setting = setting_of(context.ticket.spec)
    context.reporter.say(f"Examining the solver on roads of {', '.join(map(str, setting.cells))} cells")
    try:
        examination = examine(setting, monotonic=context.monotonic, must_leave=lambda: context.must_leave)
    except LeftExamination:
        ending = KernelEnding.STOPPED if context.stop.requested else KernelEnding.PAUSED
        return SectionOutcome(ending=ending)
    judgement = conclude(context, examination)
    context.reporter.say(f"Verdict: {judgement.verdict.value}. {judgement.reasons[0]}")
    return SectionOutcome(
        ending=KernelEnding.FINISHED,
        verdict=judgement.verdict,
        verdict_reasons=judgement.reasons,
        summary=summary_of(examination),
        runtime={
            "python": platform.python_version(),
            "device": "cpu",
            **{name: version(name) for name in ("numpy", "numba")},
        },
    )


def setting_of(spec: Mapping[str, Any]) -> Setting:
    """What a ticket's spec asks to examine.

    Raises:
        ValueError: The spec is invalid; the message names the key.
    """
    own = own_values(Schema, spec)
    cells = own.study.cells.get(spec["profile"])
    if cells is None:
        known = ", ".join(own.study.cells)
        raise ValueError(f"study.cells has no grids for the profile {spec['profile']}; it has {known}")
    return Setting(
        crossing=EnvironmentSettings.from_mapping(spec["lineage"]["environment"]),
        cells=cells,
        hours=spec["evaluation_scenarios"] or 1,
        criteria=own.criteria,
    )
