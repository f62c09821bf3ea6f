"""Groups comparable trainings: those with the same terms, scenarios and code."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from orchestrator.kernel.wire import digest_of
from validation_ch7.section_7_6_rl_performance.controllers.families import CLASSICAL
from validation_ch7.section_7_6_rl_performance.multi_seed.load import OF_THE_POLICY, PoolRefused, Training
from validation_ch7.section_7_6_rl_performance.verdict.sanity_checks import POLICY


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Variant:
    """Trainings that differ only in their seed.

    Attributes:
        label: Label for people, unique within an experiment.
        trainings: In the order of the seeds.
    """

    label: str
    trainings: tuple[Training, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Experiment:
    """Trainings whose results can be compared.

    Attributes:
        terms: Conditions that all of them share.
        variants: In the order of the input.
    """

    terms: Mapping[str, Any]
    variants: tuple[Variant, ...]

    @property
    def first(self) -> Training:
        """The first training; controllers that are not trained have the same results in all trainings."""
        return self.variants[0].trainings[0]

    @property
    def others(self) -> Mapping[str, tuple[Training, str]]:
        """Label of each controller that is not trained -> a training that measured it, and its name there.

        The trivial controllers decide as often as the policy; they are listed once for each `decision_s`.
        """
        named = {name: (self.first, name) for name in self.first.delays_s if name != POLICY}
        by_decision_s: dict[float, Training] = {}
        for variant in self.variants:
            by_decision_s.setdefault(variant.trainings[0].recipe[OF_THE_POLICY], variant.trainings[0])
        if len(by_decision_s) == 1:
            return named
        trivial = {
            f"{name} every {decision_s:g} s": (one, name)
            for name in named
            if name not in CLASSICAL
            for decision_s, one in by_decision_s.items()
        }
        return {**{name: own for name, own in named.items() if name in CLASSICAL}, **trivial}


def experiments_of(trainings: Iterable[Training]) -> tuple[Experiment, ...]:
    """Sort trainings into experiments; results of different code, crossings or scenarios are never mixed.

    Raises:
        PoolRefused: There are no trainings; or two trainings with the same terms have different results for a
            controller that is not trained, so at least one of them is wrong.
    """
    by_terms: dict[str, list[Training]] = {}
    for training in trainings:
        by_terms.setdefault(digest_of(dict(training.terms)), []).append(training)
    if not by_terms:
        raise PoolRefused("there is no finished training to pool")
    return tuple(_experiment(members) for members in by_terms.values())


def _experiment(members: Sequence[Training]) -> Experiment:
    by_decision_s: dict[object, Training] = {}
    for other in members:
        _require_same_baselines(members[0], other)
        _require_same_baselines(by_decision_s.setdefault(other.recipe[OF_THE_POLICY], other), other)
    by_recipe: dict[str, list[Training]] = {}
    for training in members:
        by_recipe.setdefault(digest_of(dict(training.recipe)), []).append(training)
    by_name: dict[str, list[Training]] = {}
    for group in by_recipe.values():
        by_name.setdefault(group[0].variant, []).append(group[0])
    return Experiment(
        terms=members[0].terms,
        variants=tuple(
            _variant(group, _suffix(group[0], by_name[group[0].variant], recipe)) for recipe, group in by_recipe.items()
        ),
    )


def _suffix(training: Training, same_name: Sequence[Training], digest: str) -> str:
    """How a variant differs from others of the same name; empty if there are none."""
    own = training.recipe
    differing = [key for key, value in own.items() if any(other.recipe.get(key) != value for other in same_name)]
    if all(isinstance(own[key], int | float | str) for key in differing):
        return ", ".join(f"{key} {own[key]}" for key in differing)
    return digest[:4]


def _variant(group: Sequence[Training], suffix: str) -> Variant:
    label = f"{group[0].variant} ({suffix})" if suffix else group[0].variant
    trainings = tuple(sorted(group, key=lambda training: training.seed))
    seeds = [training.seed for training in trainings]
    if len(set(seeds)) < len(seeds):
        raise PoolRefused(f"{label} has a seed more than once: {seeds}")
    return Variant(label=label, trainings=tuple(replace(training, variant=label) for training in trainings))


def _require_same_baselines(first: Training, other: Training) -> None:
    """Controllers that are not trained must have equal results; trivial ones only for equal `decision_s`."""
    same_decision_s = first.recipe[OF_THE_POLICY] == other.recipe[OF_THE_POLICY]
    for controller in first.delays_s if same_decision_s else CLASSICAL:
        if controller == POLICY:
            continue
        if not np.array_equal(first.delays_s[controller], other.delays_s.get(controller, np.empty(0))):
            raise PoolRefused(f"{_describe(other)} and {_describe(first)} have different results for {controller}")


def _describe(training: Training) -> str:
    return f"{training.variant} seed {training.seed} ({training.run_id})"
