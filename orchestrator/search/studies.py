"""A search as Optuna sees it: its distributions, its sampler, its pruner, and a study that lives in memory alone."""

from __future__ import annotations

from collections.abc import Iterable

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner, SuccessiveHalvingPruner
from optuna.samplers import BaseSampler, GridSampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial

from orchestrator.core.campaign.search_config import Pruner, Range, Search
from orchestrator.core.section.overrides import Setting

# What becomes of a proposal is told by the campaign; a line of Optuna's for each of them would be told twice.
optuna.logging.set_verbosity(optuna.logging.ERROR)

STUDY_NAME = "search"
"""Always the same: Hyperband draws a trial's bracket from the name of its study."""

_STARTUP_TRIALS = 10
_BATCH_PRIME = 1_000_003
"""Seeds of two batches must differ, and so must those of one batch in two searches."""


def distributions_of(search: Search) -> dict[str, BaseDistribution]:
    """Key of the space -> where Optuna draws from. Choices are drawn by their place: a choice may be a list."""
    return {key: _distribution(where) for key, where in search.space.items()}


def _distribution(where: Range | list[Setting]) -> BaseDistribution:
    if isinstance(where, list):
        return CategoricalDistribution(tuple(range(len(where))))
    if where.whole:
        return IntDistribution(int(where.low), int(where.high), log=where.log, step=int(where.step or 1))
    return FloatDistribution(where.low, where.high, log=where.log, step=where.step)


def sampler_of(search: Search, batch: int) -> BaseSampler:
    """The sampler, at the very beginning of its own randomness.

    Args:
        batch: Which it will propose. What does not learn goes on as if there were no batches.
    """
    if search.sampler == "grid":
        return GridSampler({key: _grid(where) for key, where in search.space.items()}, seed=search.seed)
    if search.sampler == "random":
        return RandomSampler(seed=search.seed)
    startup = search.startup_trials or _STARTUP_TRIALS
    seed = (search.seed * _BATCH_PRIME + batch) % 2**32
    return TPESampler(seed=seed, n_startup_trials=startup, constant_liar=True)  # a batch must not crowd one place


def _grid(where: Range | list[Setting]) -> list[int | float]:
    return list(range(len(where))) if isinstance(where, list) else list(where.steps or ())


def pruner_of(pruner: Pruner, most_rungs: int) -> BasePruner:
    """The pruner; its steps are rungs, counted from 1.

    Args:
        most_rungs: Rungs below the target.
    """
    if pruner.kind == "median":
        startup = 4 if pruner.startup_trials is None else pruner.startup_trials
        return MedianPruner(n_startup_trials=startup, n_warmup_steps=(pruner.warmup_rungs or 0) + 1)
    if pruner.kind == "halving":
        return SuccessiveHalvingPruner(min_resource=pruner.least_rungs or 1, reduction_factor=pruner.factor or 3)
    if pruner.kind == "hyperband":
        least, factor = pruner.least_rungs or 1, pruner.factor or 3
        return HyperbandPruner(min_resource=least, max_resource=most_rungs, reduction_factor=factor)
    return NopPruner()


def study_of(
    search: Search, known: Iterable[FrozenTrial], *, sampler: BaseSampler, pruner: BasePruner
) -> optuna.study.Study:
    """A study that knows these trials, numbered in their order."""
    study = optuna.create_study(study_name=STUDY_NAME, direction=search.direction, sampler=sampler, pruner=pruner)
    for trial in known:
        study.add_trial(trial)
    return study
