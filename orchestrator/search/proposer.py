"""Proposals and prunings as pure functions of the earlier results: every answer uses a new Optuna study in memory.

Equal arguments give equal answers on every computer and after every kill. Nothing is stored.
"""

from __future__ import annotations

from collections.abc import Sequence

from optuna.pruners import BasePruner
from optuna.samplers import RandomSampler
from optuna.trial import FrozenTrial, TrialState, create_trial

from orchestrator.core.campaign.search_config import Search
from orchestrator.core.search.proposals import Batch, Outcome, Point, ProposalResult, written
from orchestrator.search.studies import distributions_of, pruner_of, sampler_of, study_of

_STATES = {Outcome.COMPLETE: TrialState.COMPLETE, Outcome.PRUNED: TrialState.PRUNED, Outcome.FAILED: TrialState.FAIL}


class OptunaProposer:
    """One search.

    Args:
        most_rungs: Rungs below the target of its trainings.
    """

    def __init__(self, search: Search, most_rungs: int) -> None:
        self._search = search
        self._most_rungs = most_rungs
        self._distributions = distributions_of(search)
        self._batches: dict[tuple[tuple[Batch, ...], int], tuple[Point, ...]] = {}
        self._known: dict[tuple[Batch, ...], tuple[FrozenTrial, ...]] = {(): ()}
        self._decided: dict[tuple[tuple[Batch, ...], int, tuple[float, ...]], tuple[int | None, dict[str, float]]] = {}

    def next_batch(self, earlier: Sequence[Batch], size: int) -> tuple[Point, ...]:
        """The next proposals; see `Proposer`."""
        key = (tuple(earlier), size)
        if key not in self._batches:
            self._batches[key] = self._propose(*key)
        return self._batches[key]

    def _propose(self, batches: tuple[Batch, ...], size: int) -> tuple[Point, ...]:
        search, made = self._search, sum(map(len, batches))
        count = min(size, search.most - made)
        if count <= 0:
            return ()
        learns = search.sampler == "tpe"
        known = self._frozen(batches) if learns else ()
        study = study_of(search, known, sampler=sampler_of(search, len(batches)), pruner=self._pruner())
        trials = [study.ask(self._distributions) for _ in range(count if learns else made + count)]
        return tuple(self._point(trial.params) for trial in trials[0 if learns else made :])

    def pruned_at(self, earlier: Sequence[Batch], number: int, point: Point, rungs: Sequence[float]) -> int | None:
        """The rung at which a proposal is pruned; see `Proposer`."""
        return self._decision(tuple(earlier), number, point, tuple(rungs))[0] if self._search.prunes else None

    def _point(self, params: dict[str, int | float]) -> Point:
        return tuple((key, written(where, params[key])) for key, where in self._search.space.items())

    def _pruner(self) -> BasePruner:
        return pruner_of(self._search.pruning, self._most_rungs)

    def _frozen(self, batches: tuple[Batch, ...]) -> tuple[FrozenTrial, ...]:
        """All proposals of these batches as Optuna's trials."""
        if batches not in self._known:
            before = self._frozen(batches[:-1])
            own = [self._trial(batches[:-1], len(before) + place, one) for place, one in enumerate(batches[-1])]
            self._known[batches] = (*before, *own)
        return self._known[batches]

    def _trial(self, before: tuple[Batch, ...], number: int, one: ProposalResult) -> FrozenTrial:
        rung, marks = self._decision(before, number, one.point, one.rungs) if self._search.prunes else (None, {})
        reached = one.rungs if rung is None else one.rungs[:rung]
        return create_trial(
            state=_STATES[one.outcome],
            value=one.value,
            params=dict(one.point),
            distributions=self._distributions,
            intermediate_values=dict(enumerate(reached, start=1)),
            system_attrs=marks,
        )

    def _decision(
        self, before: tuple[Batch, ...], number: int, point: Point, rungs: tuple[float, ...]
    ) -> tuple[int | None, dict[str, float]]:
        """The rung at which a proposal is pruned, and the attributes that the pruner sets for later proposals."""
        key = (before, number, rungs)
        if key not in self._decided:
            self._decided[key] = self._decide(self._frozen(before), number, point, rungs)
        return self._decided[key]

    def _decide(
        self, known: tuple[FrozenTrial, ...], number: int, point: Point, rungs: tuple[float, ...]
    ) -> tuple[int | None, dict[str, float]]:
        # The others of its batch only occupy their numbers: their results may be unknown and must not matter.
        beside = [create_trial(state=TrialState.FAIL) for _ in range(number - len(known))]
        pruner = self._pruner()
        study = study_of(self._search, (*known, *beside), sampler=RandomSampler(seed=0), pruner=pruner)
        study.enqueue_trial(dict(point))
        trial = study.ask(self._distributions)
        pruned = None
        for rung, value in enumerate(rungs, start=1):
            trial.report(value, rung)
            if trial.should_prune():
                pruned = rung
                break
        marks = study.get_trials(deepcopy=False)[trial.number].system_attrs
        return pruned, {name: mark for name, mark in marks.items() if name != "fixed_params"}
