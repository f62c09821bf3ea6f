"""Tunes and evaluates the controllers that do not depend on a policy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from orchestrator.sb3.training.training_spec import TrainingSpec
from validation_ch7.section_7_6_rl_performance.controllers.families import TUNED_FAMILIES, Family
from validation_ch7.section_7_6_rl_performance.controllers.interface import Controller
from validation_ch7.section_7_6_rl_performance.controllers.trivial import ConstantController, RandomController
from validation_ch7.section_7_6_rl_performance.evaluation.evaluation import (
    EvaluationResult,
    arrays_of,
    evaluate,
    evaluate_splits,
    result_shapes,
)
from validation_ch7.section_7_6_rl_performance.evaluation.kept_results import KeptResults
from validation_ch7.section_7_6_rl_performance.evaluation.tuning import Tuning, describe, tune
from validation_ch7.traffic.env.settings import EnvironmentSettings
from validation_ch7.traffic.model.demand import Split
from validation_ch7.traffic.signal.two_phase import EAST_WEST, NORTH_SOUTH

_RANDOM_CONTROLLER_SEED = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Trials:
    """What the controllers are tried on.

    Attributes:
        environment: The `environment` block of a section's card.
        n_tuning: Number of tuning scenarios.
        n_test: Number of test scenarios.
    """

    environment: Mapping[str, object]
    n_tuning: int
    n_test: int

    @classmethod
    def of(cls, plan: TrainingSpec) -> Trials:
        """Those of a training."""
        lineage = plan.lineage
        return cls(
            environment=dict(lineage.environment),
            n_tuning=lineage.hyper_parameters.selection_scenarios,
            n_test=plan.evaluation_scenarios,
        )

    @property
    def crossing(self) -> EnvironmentSettings:
        """The crossing."""
        return EnvironmentSettings.from_mapping(self.environment)

    def describe(self, name: str, tuned: Mapping[str, Tuning]) -> dict[str, Any]:
        """Everything that the test result of a controller depends on, without code and libraries; plain JSON."""
        return {
            "controller": name,
            "parameters": dict(tuned[name].chosen) if name in tuned else {},
            "environment": dict(self.environment),
            "split": Split.TEST.name,
            "n_scenarios": self.n_test,
        }


def tune_families(trials: Trials, kept: KeptResults) -> Iterator[Tuning]:
    """Tune one family after the other, in the order of the tables."""
    tuned: dict[str, Tuning] = {}
    for family in TUNED_FAMILIES:
        tuned[family.name] = tune_family(family, tuned, trials, kept)
        yield tuned[family.name]


def tune_family(family: Family, tuned: Mapping[str, Tuning], trials: Trials, kept: KeptResults) -> Tuning:
    """Tune a family; that on which it is based must be in `tuned`."""
    if family.base is not None:
        family = replace(family, grid=(tuned[family.base].chosen,))
    return tune(family, environment=trials.environment, n_scenarios=trials.n_tuning, kept=kept)


def measure_unsearched(family: Family, tuned: Mapping[str, Tuning], trials: Trials, kept: KeptResults) -> None:
    """Measure and keep a family that is based on another, on tuning and test scenarios at once.

    Nothing is chosen between the two, and a wide batch takes less time. `tune_family` and the comparison find both.
    """
    assert family.base is not None
    base = tuned[family.base]
    on_tuning = describe(replace(family, grid=(base.chosen,)), trials.environment, trials.n_tuning)
    on_test = trials.describe(family.name, {family.name: base})
    shapes = result_shapes(trials.n_test)
    if kept.find(on_tuning, [("<f8", (1,))]) is not None and kept.find(on_test, shapes) is not None:
        return
    sizes = {Split.TUNING: trials.n_tuning, Split.TEST: trials.n_test}
    controller = family.build(trials.crossing, base.chosen)
    results = evaluate_splits(controller, environment=trials.environment, sizes=sizes)
    kept.keep(on_tuning, [np.array([results[Split.TUNING].delay_s_per_veh.mean()])])
    kept.keep(on_test, arrays_of(results[Split.TEST]))


def baseline_controllers(trials: Trials, tuned: Mapping[str, Tuning]) -> Iterator[tuple[str, Controller]]:
    """Name and controller of each baseline: the tuned ones, then the trivial ones."""
    yield from ((name, tuning.controller(trials.crossing)) for name, tuning in tuned.items())
    yield from trivial_controllers(trials)


def trivial_controllers(trials: Trials) -> Iterator[tuple[str, Controller]]:
    """Name and controller of the baselines without parameters."""
    decision_s = trials.crossing.decision_s
    yield "constant_ns", ConstantController(NORTH_SOUTH, decision_s)
    yield "constant_ew", ConstantController(EAST_WEST, decision_s)
    yield "random", RandomController(_RANDOM_CONTROLLER_SEED, decision_s)


def measure(trials: Trials, name: str, controller: Controller) -> EvaluationResult:
    """Evaluate a controller on the test scenarios; `name` is its name in tables."""
    result = evaluate(controller, environment=trials.environment, split=Split.TEST, n_scenarios=trials.n_test)
    return replace(result, controller=name)
