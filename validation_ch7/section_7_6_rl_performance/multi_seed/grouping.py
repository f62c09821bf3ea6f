"""Which trainings may stand in one table: those measured under the same terms, on the same hours, by the same code."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from orchestrator.kernel.wire import digest_of
from validation_ch7.section_7_6_rl_performance.controllers.families import CLASSICAL
from validation_ch7.section_7_6_rl_performance.multi_seed.load import OF_THE_POLICY, PoolRefused, Training
from validation_ch7.section_7_6_rl_performance.verdict.sanity_checks import POLICY

_NOTHING = np.empty(0)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Variant:
    """Trainings that differ by their seed alone.

    Attributes:
        label: For people; no two of an experiment have the same.
        trainings: In the order of the seeds.
    """

    label: str
    trainings: tuple[Training, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Experiment:
    """Trainings whose numbers may be compared.

    Attributes:
        terms: What all of them share.
        variants: In the order in which they came.
    """

    terms: Mapping[str, Any]
    variants: tuple[Variant, ...]

    @property
    def first(self) -> Training:
        """Any of them: the controllers that are not trained have done the same in all."""
        return self.variants[0].trainings[0]

    @property
    def others(self) -> Mapping[str, tuple[Training, str]]:
        """Label -> a training that measured it, and the name there, of everybody who is not trained.

        Constants and chance decide as often as the policy does: where policies differ in that, they stand for each.
        """
        named = {name: (self.first, name) for name in self.first.delays_s if name != POLICY}
        of_rate: dict[float, Training] = {}
        for variant in self.variants:
            of_rate.setdefault(variant.trainings[0].recipe[OF_THE_POLICY], variant.trainings[0])
        if len(of_rate) == 1:
            return named
        often = {
            f"{name} every {rate:g} s": (one, name)
            for name in named
            if name not in CLASSICAL
            for rate, one in of_rate.items()
        }
        return {**{name: own for name, own in named.items() if name in CLASSICAL}, **often}


def experiments_of(trainings: Iterable[Training]) -> tuple[Experiment, ...]:
    """Sort trainings into experiments; results of other code, other crossings or other hours are never mixed.

    Raises:
        PoolRefused: There is nothing; or two trainings under the same terms have measured a classical controller
            otherwise, so that at least one of the two has not measured what it says.
    """
    by_terms: dict[str, list[Training]] = {}
    for training in trainings:
        by_terms.setdefault(digest_of(dict(training.terms)), []).append(training)
    if not by_terms:
        raise PoolRefused("there is no finished training to pool")
    return tuple(_experiment(members) for members in by_terms.values())


def _experiment(members: Sequence[Training]) -> Experiment:
    first_of_rate: dict[object, Training] = {}
    for other in members:
        _require_same_baselines(members[0], other)
        _require_same_baselines(first_of_rate.setdefault(other.recipe[OF_THE_POLICY], other), other)
    by_recipe: dict[str, list[Training]] = {}
    for training in members:
        by_recipe.setdefault(digest_of(dict(training.recipe)), []).append(training)
    of_name: dict[str, list[Training]] = {}
    for group in by_recipe.values():
        of_name.setdefault(group[0].variant, []).append(group[0])
    return Experiment(
        terms=members[0].terms,
        variants=tuple(
            _variant(group, _mark(group[0], of_name[group[0].variant], recipe)) for recipe, group in by_recipe.items()
        ),
    )


def _mark(training: Training, namesakes: Sequence[Training], digest: str) -> str:
    """By what a variant differs from others of its name, empty where there is none."""
    own = training.recipe
    differing = [key for key, value in own.items() if any(other.recipe.get(key) != value for other in namesakes)]
    if all(isinstance(own[key], int | float | str) for key in differing):
        return ", ".join(f"{key} {own[key]}" for key in differing)
    return digest[:4]


def _variant(group: Sequence[Training], mark: str) -> Variant:
    label = f"{group[0].variant} ({mark})" if mark else group[0].variant
    trainings = tuple(sorted(group, key=lambda training: training.seed))
    seeds = [training.seed for training in trainings]
    if len(set(seeds)) < len(seeds):
        raise PoolRefused(f"{label} holds one seed twice: {seeds}")
    return Variant(label=label, trainings=tuple(replace(training, variant=label) for training in trainings))


def _require_same_baselines(first: Training, other: Training) -> None:
    """Who is not trained does the same in every session; constants and chance decide as often as the policy does."""
    as_often = first.recipe[OF_THE_POLICY] == other.recipe[OF_THE_POLICY]
    for controller in first.delays_s if as_often else CLASSICAL:
        if controller == POLICY:
            continue
        if not np.array_equal(first.delays_s[controller], other.delays_s.get(controller, _NOTHING)):
            raise PoolRefused(f"{_named(other)} measured {controller} otherwise than {_named(first)}")


def _named(training: Training) -> str:
    return f"{training.variant} seed {training.seed} ({training.run_id})"
