"""A search in Optuna's terms: distributions, sampler, pruner, and a study in memory."""

from __future__ import annotations

from collections.abc import Iterable

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner, SuccessiveHalvingPruner
from optuna.samplers import BaseSampler, GridSampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial

from orchestrator.core.campaign.search_config import Pruner, Range, Search
from orchestrator.core.section.overrides import Setting

# The campaign reports each proposal itself; Optuna's own log lines would repeat it.
optuna.logging.set_verbosity(optuna.logging.ERROR)

STUDY_NAME = "search"
"""Constant, because Hyperband draws a trial's bracket from the name of the study."""

_STARTUP_TRIALS = 10
_BATCH_PRIME = 1_000_003
"""Seeds of two batches must differ, and so must those of one batch in two searches."""


def distributions_of(search: Search) -> dict[str, BaseDistribution]:
    """Key of the space -> Optuna's distribution. A choice is drawn by its place, because it may be a list."""
    return {key: _distribution(where) for key, where in search.space.items()}


def _distribution(where: Range | list[Setting]) -> BaseDistribution:
    if isinstance(where, list):
        return CategoricalDistribution(tuple(range(len(where))))
    if where.whole:
        return IntDistribution(int(where.low), int(where.high), log=where.log, step=int(where.step or 1))
    return FloatDistribution(where.low, where.high, log=where.log, step=where.step)


def sampler_of(search: Search, batch: int) -> BaseSampler:
    """A new sampler.

    Args:
        batch: Number of the batch that it will propose; only `tpe` depends on it.
    """
    if search.sampler == "grid":
        return GridSampler({key: _grid(where) for key, where in search.space.items()}, seed=search.seed)
    if search.sampler == "random":
        return RandomSampler(seed=search.seed)
    startup = search.startup_trials or _STARTUP_TRIALS
    seed = (search.seed * _BATCH_PRIME + batch) % 2**32
    return TPESampler(seed=seed, n_startup_trials=startup, constant_liar=True)  # spreads the proposals of a batch


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
    """A study with these trials, numbered in their order."""
    study = optuna.create_study(study_name=STUDY_NAME, direction=search.direction, sampler=sampler, pruner=pruner)
    for trial in known:
        study.add_trial(trial)
    return study
