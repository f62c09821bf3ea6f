"""Measured again: the first scenarios of every controller must come out the same, bit for bit, here and now.

A number kept from older code, from another model or from a table is found by that, whoever kept it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from validation_ch7.section_7_6_rl_performance.controllers.interface import Controller
from validation_ch7.section_7_6_rl_performance.evaluation.evaluation import EvaluationResult, evaluate, measure_names

_REPEATED = 2


def repeat_faults(
    controller: Controller, result: EvaluationResult, environment: Mapping[str, object]
) -> tuple[str, ...]:
    """Evaluate a controller once more on its first scenarios.

    Args:
        controller: Whose result it is said to be.
        result: What is to be believed.
        environment: The `environment` block of a section's card.

    Returns:
        What differs, one sentence; empty where everything repeats.
    """
    n_scenarios = min(_REPEATED, result.n_scenarios)
    again = evaluate(
        controller,
        environment=environment,
        split=result.split,
        n_scenarios=n_scenarios,
        first_index=result.first_index,
    )
    differ = tuple(_differing(again, result, n_scenarios))
    if not differ:
        return ()
    return (
        f"{result.controller} does not repeat: measured again on {n_scenarios} of its scenarios, {'; '.join(differ)}."
        " The result is stale, or is not of this code.",
    )


def _differing(again: EvaluationResult, result: EvaluationResult, n_scenarios: int) -> Iterator[str]:
    for name in measure_names():
        found, kept = getattr(again, name), getattr(result, name)[:n_scenarios]
        if found.tobytes() != np.ascontiguousarray(kept).tobytes():
            yield f"{name} is {found.ravel()[0]:.6g} and not {np.ravel(kept)[0]:.6g}"
