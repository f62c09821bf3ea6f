"""Measures some scenarios of every controller again; the results must be equal bit for bit.

This detects numbers from older code, from another model or from a stored table.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from validation_ch7.section_7_6_rl_performance.controllers.interface import Controller
from validation_ch7.section_7_6_rl_performance.evaluation.evaluation import EvaluationResult, evaluate, measure_names

_REPEATED = 2


def repeat_faults(
    controller: Controller, result: EvaluationResult, environment: Mapping[str, object], place: int = 0
) -> tuple[str, ...]:
    """Evaluate a controller again on two of its scenarios.

    Args:
        controller: The controller of the result.
        result: The result to check.
        environment: The `environment` block of a section's card.
        place: Of the first scenario that is measured again, in the result; a later one than the last counts from 0.

    Returns:
        The differences, in one sentence; empty if there are none.
    """
    n_scenarios = min(_REPEATED, result.n_scenarios)
    first = place % (result.n_scenarios - n_scenarios + 1)
    again = evaluate(
        controller,
        environment=environment,
        split=result.split,
        n_scenarios=n_scenarios,
        first_index=result.first_index + first,
    )
    differ = tuple(_differing(again, result, slice(first, first + n_scenarios)))
    if not differ:
        return ()
    return (
        f"{result.controller} is not reproducible: measured again on {n_scenarios} of its scenarios,"
        f" {'; '.join(differ)}. The result is stale or was made by other code.",
    )


def _differing(again: EvaluationResult, result: EvaluationResult, places: slice) -> Iterator[str]:
    for name in measure_names():
        found, kept = getattr(again, name), getattr(result, name)[places]
        if found.tobytes() != np.ascontiguousarray(kept).tobytes():
            yield f"{name} is {found.ravel()[0]:.6g} instead of {np.ravel(kept)[0]:.6g}"
