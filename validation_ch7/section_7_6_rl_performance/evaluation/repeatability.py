"""Measures some scenarios of every controller again; the results must be equal bit for bit.

This detects numbers from older code, from another model or from a stored table.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from typing import Any

import numpy as np

from validation_ch7.section_7_6_rl_performance.controllers.interface import Controller
from validation_ch7.section_7_6_rl_performance.evaluation.evaluation import (
    EvaluationResult,
    evaluate,
    measure_names,
    result_of_arrays,
    result_shapes,
)
from validation_ch7.section_7_6_rl_performance.evaluation.kept_results import KeptResults
from validation_ch7.traffic.model.demand import Split

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A kept result.

    Attributes:
        result: The result.
        session: The session that measured it.
        faults: What differs when a part is measured again; ready some time later.
    """

    result: EvaluationResult
    session: str
    faults: Future[tuple[str, ...]]


def check_kept(
    kept: KeptResults,
    what: Mapping[str, Mapping[str, Any]],
    controllers: Mapping[str, Controller],
    environment: Mapping[str, object],
    *,
    n_scenarios: int,
    place: int,
    pool: Executor,
) -> dict[str, Kept]:
    """Find the kept results of controllers, and begin to measure a part of each again in threads.

    Args:
        kept: Where to look.
        what: Controller name -> what its result depends on.
        controllers: Controller name -> the controller, used by a thread until `faults` is ready.
        environment: The `environment` block of a section's card.
        n_scenarios: Number of scenarios.
        place: See `repeat_faults`: another one in each session, so that an edited number does not stay unnoticed.
        pool: The threads.
    """
    found = {}
    for name in sorted(controllers, key=lambda name: name != "rollout"):  # it takes longest; the others in their order
        if (entry := kept.find(what[name], result_shapes(n_scenarios))) is not None:
            arrays, session = entry
            result = result_of_arrays(arrays, controller=name, split=Split.TEST, environment=environment)
            faults = pool.submit(repeat_faults, controllers[name], result, environment, place)
            found[name] = Kept(result=result, session=session, faults=faults)
    return found


def _differing(again: EvaluationResult, result: EvaluationResult, places: slice) -> Iterator[str]:
    for name in measure_names():
        found, kept = getattr(again, name), getattr(result, name)[places]
        if found.tobytes() != np.ascontiguousarray(kept).tobytes():
            yield f"{name} is {found.ravel()[0]:.6g} instead of {np.ravel(kept)[0]:.6g}"
