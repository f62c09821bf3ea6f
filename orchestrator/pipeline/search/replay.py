"""The proposals of a campaign's searches, computed from the file and the ledger.

Batch k follows from the file and from the results of the batches before it. Nothing is stored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from orchestrator.core.campaign.config import Campaign
from orchestrator.core.campaign.expansion import CardOf, Trial, expand, trials_of, variant_of
from orchestrator.core.campaign.group import Group
from orchestrator.core.errors import BadInput, OrchestratorError, RunFailed
from orchestrator.core.ledger.records import SessionRecord
from orchestrator.core.search.proposals import (
    NO_SCORE,
    Batch,
    Curve,
    Outcome,
    Point,
    ProposalResult,
    TrainingResult,
    cell_of,
    joined,
    outcome_of,
    training_result,
)
from orchestrator.core.section.card import Profile, SectionCard
from orchestrator.core.section.overrides import Settings
from orchestrator.pipeline.search.objective import objective_value
from orchestrator.pipeline.search.orphans import find_search_orphans
from orchestrator.pipeline.search.state import Proposal, ProposerOf, SearchState
from orchestrator.ports import Ledger, ResultsStore


class SearchReplay:
    """The trials of a campaign that searches.

    Args:
        results: Outputs of the sessions, for an objective that the ledger does not store.

    Raises:
        BadInput: The campaign's own settings are wrong.
    """

    def __init__(
        self, campaign: Campaign, card_of: CardOf, ledger: Ledger, results: ResultsStore, proposer_of: ProposerOf
    ) -> None:
        self._campaign = campaign
        self._cards: dict[tuple[str, str], SectionCard] = {}
        self._read_card = card_of
        self._ledger = ledger
        self._results = results
        self._last_event = -1
        self._trainings: dict[str, TrainingResult] = {}
        self._trials: tuple[Trial, ...] = ()
        self._orphans: tuple[Trial, ...] = ()
        self._of_file: dict[str, str] | None = None
        self._taken: dict[str, str] = {}
        self._searches = [
            SearchState(name, group, group.search, self._sizes(group), proposer_of)
            for name, group in campaign.trials.items()
            if group.search is not None
        ]

    def trials(self) -> tuple[Trial, ...]:
        """All trials by the current ledger; computed again only if the ledger has changed or a search has a fault.

        A proposal whose objective cannot be read is not decided: its search waits, as `faults` says; others go on.

        Raises:
            BadInput: A key or value is wrong, or two lines are the same training.
        """
        last_event = self._ledger.last_event()
        if last_event == self._last_event and not self.faults():  # a fault may be fixed outside the ledger
            return self._trials
        self._trainings.clear()
        self._replay_all()
        self._orphans = ()
        trials = self._expanded()
        named = {trial.lineage_id for trial in trials}
        self._orphans = find_search_orphans(self._campaign, self._card_of, self._ledger, named)
        self._trials = self._expanded() if self._orphans else trials
        self._last_event = last_event
        return self._trials

    def orphans(self) -> tuple[Trial, ...]:
        """Trainings that the searches started and no longer propose, as of the latest `trials()`."""
        return self._orphans

    def _expanded(self) -> tuple[Trial, ...]:
        orphans: dict[str, list[str]] = {}
        for trial in self._orphans:
            orphans.setdefault(trial.variant.group, []).append(trial.lineage_id)
        return expand(
            self._campaign,
            self._card_of,
            {
                search.name: [search.as_variant(one, orphans.get(search.name, ())) for one in search.proposals]
                for search in self._searches
            },
        )

    def faults(self) -> tuple[tuple[str, OrchestratorError], ...]:
        """Group and fault of the searches that cannot go on, as of the latest `trials()`."""
        return tuple((search.name, fault) for search in self._searches for fault in search.faults.values())

    def may_prune(self, trial: Trial) -> bool:
        """Whether a trial can be pruned. Trials of a first batch cannot: there is nothing to compare them with."""
        group, proposal = self._campaign.trials.get(trial.variant.group), trial.variant.searched
        search = group.search if group else None  # the group of a removed trial may not exist any more
        return search is not None and search.prunes and proposal is not None and proposal.batch > 0

    def pruned_at_steps(self, trial: Trial, live: Mapping[str, Curve]) -> int | None:
        """Steps of the rung at which a trial is pruned by the evaluations of its running sessions, else None.

        Args:
            live: Lineage id -> evaluations that a running session has reported.
        """
        for search in self._searches:
            for one in search.proposals:
                if any(own.lineage_id == trial.lineage_id for own in one.trials):
                    trainings = [
                        replace(training, curve=joined(training.curve, live.get(own.lineage_id, ())))
                        for own, training in zip(one.trials, map(self._training, one.trials), strict=True)
                    ]
                    return search.pruned_at(one.earlier, one.number, one.result.point, trainings)[0]
        return None

    def _replay_all(self) -> None:
        """Replay each search. A training that the file or an earlier search names belongs to no other search."""
        if self._of_file is None:
            self._of_file = {trial.lineage_id: trial.label for trial in expand(self._campaign, self._card_of)}
        self._taken = dict(self._of_file)
        for search in self._searches:
            self._replay(search)
            self._taken |= {trial.lineage_id: trial.label for one in search.proposals for trial in one.trials}

    def _replay(self, state: SearchState) -> None:
        """Compute the proposals batch by batch, until a batch is undecided that the next one depends on."""
        search = state.search
        batches: list[Batch] = []
        first: dict[str, ProposalResult] = {}
        state.proposals, state.proposed, state.refused, state.faults = [], 0, [], {}
        while points := state.proposer.next_batch(batches, search.at_once):
            batch: list[ProposalResult] = []
            for point in points:
                batch.append(self._result(state, tuple(batches), point, first))
                state.proposed += 1
            batches.append(tuple(batch))
            if not state.proposals and state.refused:  # all were refused: the whole space is wrong
                raise BadInput(state.refused[0], remedy="Fix the space: give steps or choices that the card accepts.")
            if search.waits and any(one.outcome is Outcome.OPEN for one in batch):
                break

    def _result(
        self, state: SearchState, earlier: tuple[Batch, ...], point: Point, first: dict[str, ProposalResult]
    ) -> ProposalResult:
        """The result of one proposal. It is a new variant unless the card refuses it or it was proposed before."""
        trials = self._trials_of(state, point)
        if isinstance(trials, BadInput):
            cell = ", ".join(f"{key}={value}" for key, value in cell_of(state.search, point).items())
            state.refused.append(f"{state.name}: the proposal {cell} is refused: {trials}")
            return ProposalResult(point=point, outcome=Outcome.FAILED)
        known = first.get(trials[0].lineage_id)
        if known is not None:
            return replace(known, point=point)
        if any(trial.lineage_id in self._taken for trial in trials):
            return self._taken_elsewhere(state, earlier, point, trials)
        trainings = [self._training_or_open(state, trial) for trial in trials]
        steps, rungs = state.pruned_at(earlier, state.proposed, point, trainings)
        outcome, value = outcome_of(trainings, state.group.seed_rule.completed)
        if steps is not None:
            outcome, value = Outcome.PRUNED, None
        result = ProposalResult(point=point, outcome=outcome, value=value, rungs=rungs)
        first[trials[0].lineage_id] = result
        failed = {
            trial.lineage_id: training.why
            for trial, training in zip(trials, trainings, strict=True)
            if training.outcome is Outcome.FAILED and training.why != NO_SCORE
        }
        state.proposals.append(
            Proposal(
                number=state.proposed,
                earlier=earlier,
                result=result,
                trials=trials,
                failed=failed,
                pruned_at_steps=steps,
            )
        )
        return result

    def _taken_elsewhere(
        self, state: SearchState, earlier: tuple[Batch, ...], point: Point, trials: Sequence[Trial]
    ) -> ProposalResult:
        """A proposal that is a training of another group stays open, so that its search waits for the user.

        Raises:
            BadInput: The file alone makes it certain, before any push; or the search has no other proposal.
        """
        own, other = next((trial, self._taken[trial.lineage_id]) for trial in trials if trial.lineage_id in self._taken)
        fault = BadInput(
            f"the proposal {own.label} is the same training as {other}",
            remedy="Remove it from one of the two: a training is run once.",
        )
        by_file = own.lineage_id in (self._of_file or {})
        if not earlier and (by_file or not state.proposals):
            raise fault
        state.faults[own.lineage_id] = fault
        return ProposalResult(point=point, outcome=Outcome.OPEN)

    def _trials_of(self, state: SearchState, point: Point) -> tuple[Trial, ...] | BadInput:
        known = state.trials_of_point.get(point)
        if known is None:
            cell = cell_of(state.search, point)
            try:
                variant = variant_of(state.name, state.group, cell, self._card_of, index=0)
                known = tuple(trials_of(variant, state.group.seed_rule, first_index=0))
            except BadInput as fault:
                known = fault
            state.trials_of_point[point] = known
        return known

    def _training_or_open(self, state: SearchState, trial: Trial) -> TrainingResult:
        try:
            return self._training(trial)
        except (BadInput, RunFailed) as fault:
            state.faults[trial.lineage_id] = fault
            return TrainingResult(outcome=Outcome.OPEN)

    def _training(self, trial: Trial) -> TrainingResult:
        known = self._trainings.get(trial.lineage_id)
        if known is None:
            search = self._campaign.trials[trial.variant.group].search

            def number(record: SessionRecord) -> float | None:
                return objective_value(record, search, self._results) if search else None

            runs, sessions = self._ledger.runs(trial.lineage_id), self._ledger.sessions(trial.lineage_id)
            known = self._trainings[trial.lineage_id] = training_result(trial, runs, sessions, self._campaign, number)
        return known

    def _sizes(self, group: Group) -> Profile:
        return self._card_of(group.section, group.settings).profiles[group.profile]

    def _card_of(self, section: str, settings: Settings) -> SectionCard:
        """Each card is read and checked once, because every change in the ledger asks for all of them."""
        key = (section, repr(sorted(settings.items())))
        if key not in self._cards:
            self._cards[key] = self._read_card(section, settings)
        return self._cards[key]
