"""Runs all checks on one solver."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import numpy as np

from validation_ch7.section_7_3_analytical.checks import (
    agreement,
    conservation,
    convergence,
    equilibrium,
    riemann,
    signal,
)
from validation_ch7.section_7_3_analytical.checks.finding import Finding
from validation_ch7.section_7_3_analytical.checks.setting import Setting

MODULES: tuple[ModuleType, ...] = (riemann, convergence, equilibrium, conservation, signal, agreement)
EXPECTED = (
    riemann.CHECK,
    convergence.CHECK,
    equilibrium.CHECK,
    conservation.CHECK,
    conservation.BOUNDS_CHECK,
    signal.CHECK,
    agreement.CHECK,
)
"""Checks that must have measured something."""


class LeftExamination(Exception):
    """The session had to stop before all checks had run."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Examination:
    """What the checks measured.

    Attributes:
        setting: What was examined.
        results: Check -> its result, for the figures; without the checks that failed.
        findings: All measured numbers, in the order of the checks.
        failures: Check -> why it did not run to its end.
        spent_s: Check -> wall seconds.
    """

    setting: Setting
    results: dict[str, Any] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)
    spent_s: dict[str, float] = field(default_factory=dict)


def examine(
    setting: Setting, *, monotonic: Callable[[], float], must_leave: Callable[[], bool] = lambda: False
) -> Examination:
    """Run all checks; one that fails does not stop the others.

    Args:
        setting: What to examine.
        monotonic: Seconds, for measuring durations.
        must_leave: Whether the session must stop now; called before each check.

    Raises:
        LeftExamination: The session must stop.
    """
    done = Examination(setting=setting)
    for module in MODULES:
        if must_leave():
            raise LeftExamination
        started_s = monotonic()
        try:
            done.findings.extend(_measured(module, done))
        except (ArithmeticError, ValueError, LookupError) as fault:  # what a wrong solver can cause in a check
            done.failures[module.CHECK] = f"{type(fault).__name__}: {fault}"
        done.spent_s[module.CHECK] = monotonic() - started_s
    return done


def _measured(module: ModuleType, done: Examination) -> Iterator[Finding]:
    with np.errstate(all="ignore"):  # a wrong solver may diverge; a number that is not finite is judged as such
        result = module.run(done.setting)
        found = list(module.findings(result, done.setting))
    done.results[module.CHECK] = result
    return iter(found)
