"""What the searches of a campaign have proposed so far: asked anew of the ledger whenever something has changed there.

Nothing is kept but for speed. Batch k follows from the file and from what became of the batches before it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from orchestrator.core.campaign.config import Campaign, Group
from orchestrator.core.campaign.expansion import CardOf, Trial, expand, trials_of, variant_of
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
from orchestrator.pipeline.search.orphans import SearchOrphans
from orchestrator.pipeline.search.rungs import pruned_at
from orchestrator.pipeline.search.state import Proposal, ProposerOf, SearchState
from orchestrator.ports import Ledger, ResultsStore


class SearchReplay:
    """The trials of a campaign that searches, as the ledger knows them now.

    Args:
        results: Where sessions' own accounts lie, for an objective that the ledger does not keep.

    Raises:
        BadInput: The campaign's own settings are wrong.
    """

    def __init__(
        self, campaign: Campaign, card_of: CardOf, ledger: Ledger, results: ResultsStore, proposer_of: ProposerOf
    ) -> None:
        self._campaign = campaign
        self._cards: dict[tuple[str, str], SectionCard] = {}
        self._card_of_file = card_of
        self._ledger = ledger
        self._results = results
        self._accounts: dict[str, TrainingResult] = {}
        self._seen = -1
        self._trials: tuple[Trial, ...] = ()
        self._leavers = SearchOrphans(campaign, self._card_of, ledger)
        self._of_file: dict[str, str] | None = None
        self._taken: dict[str, str] = {}
        self._left: tuple[Trial, ...] = ()
        self._inquiries = [
            SearchState(name, group, group.search, self._sizes(group), proposer_of)
            for name, group in campaign.trials.items()
            if group.search is not None
        ]

    def trials(self) -> tuple[Trial, ...]:
        """All trials by what the ledger says now; the very same object as before if nothing has changed.

        A proposal whose objective cannot be read is not decided: its search waits, as `faults` tells, and it alone.

        Raises:
            BadInput: A key or value is wrong, or two lines are the same training.
        """
        latest, changed = self._ledger.changes(max(self._seen, 0))
        if latest == self._seen and not self.faults():  # what is at fault may have been mended outside the ledger
            return self._trials
        for lineage_id in changed:
            self._accounts.pop(lineage_id, None)
        self._explore_all()
        before, trials = self._left, self._expanded()
        self._left = self._leavers.among(changed, {trial.lineage_id for trial in trials})
        if self._left != before:
            trials = self._expanded()
        self._seen = latest
        if trials != self._trials:
            self._trials = trials
        return self._trials

    def left(self) -> tuple[Trial, ...]:
        """Trainings that the searches began and propose no longer, as of when they were last asked."""
        return self._left

    def _expanded(self) -> tuple[Trial, ...]:
        left: dict[str, list[str]] = {}
        for trial in self._left:
            left.setdefault(trial.variant.group, []).append(trial.lineage_id)
        return expand(
            self._campaign,
            self._card_of,
            {
                inquiry.name: [inquiry.as_variant(one, left.get(inquiry.name, ())) for one in inquiry.proposals]
                for inquiry in self._inquiries
            },
        )

    def faults(self) -> tuple[tuple[str, OrchestratorError], ...]:
        """Group and fault of the searches that cannot go on by what was known when they were last asked."""
        return tuple((inquiry.name, fault) for inquiry in self._inquiries for fault in inquiry.faults.values())

    def may_prune(self, trial: Trial) -> bool:
        """Whether a trial can be given up before its end: nothing of a first batch can, it has nothing before it."""
        group, searched = self._campaign.trials.get(trial.variant.group), trial.variant.searched
        search = group.search if group else None  # what was taken out of the file may be of a group that is gone
        return search is not None and search.prunes and searched is not None and searched.batch > 0

    def given_up(self, trial: Trial, live: Mapping[str, Curve]) -> int | None:
        """Steps of the rung at which a trial is given up by what its living sessions tell, None if it may go on.

        Args:
            live: Lineage id -> evaluations that a living session has reported.
        """
        for inquiry in self._inquiries:
            for one in inquiry.proposals:
                if any(own.lineage_id == trial.lineage_id for own in one.trials):
                    accounts = [
                        replace(account, curve=joined(account.curve, live.get(own.lineage_id, ())))
                        for own, account in zip(one.trials, map(self._account, one.trials), strict=True)
                    ]
                    return pruned_at(inquiry, one.told_before, one.number, one.told.point, accounts)[0]
        return None

    def _explore_all(self) -> None:
        """Each by itself, but a training that one of them has, or that the file names, is no other's."""
        if self._of_file is None:
            self._of_file = {trial.lineage_id: trial.label for trial in expand(self._campaign, self._card_of)}
        self._taken = dict(self._of_file)
        for inquiry in self._inquiries:
            self._explore(inquiry)
            self._taken |= {trial.lineage_id: trial.label for one in inquiry.proposals for trial in one.trials}

    def _explore(self, inquiry: SearchState) -> None:
        """Proposals batch by batch, as far as they are decided."""
        search = inquiry.search
        told: list[Batch] = []
        first: dict[str, ProposalResult] = {}
        inquiry.proposals, inquiry.asked, inquiry.refused, inquiry.faults = [], 0, [], {}
        while points := inquiry.proposer.next_batch(told, search.at_once):
            batch: list[ProposalResult] = []
            for point in points:
                batch.append(self._told(inquiry, tuple(told), point, first))
                inquiry.asked += 1
            told.append(tuple(batch))
            if not inquiry.proposals and inquiry.refused:  # it is the space that is wrong, not a corner of it
                raise BadInput(inquiry.refused[0], remedy="Mend the space: give steps or choices that the card takes.")
            if search.waits and any(one.fate is Outcome.OPEN for one in batch):
                break

    def _told(
        self, inquiry: SearchState, before: tuple[Batch, ...], point: Point, first: dict[str, ProposalResult]
    ) -> ProposalResult:
        """What is told of one proposal; it is a variant unless the card refuses it or it was proposed before."""
        trials = self._trials_of(inquiry, point)
        if isinstance(trials, BadInput):
            cell = ", ".join(f"{key}={value}" for key, value in cell_of(inquiry.search, point).items())
            inquiry.refused.append(f"{inquiry.name}: the proposal {cell} is refused: {trials}")
            return ProposalResult(point=point, fate=Outcome.FAILED)
        known = first.get(trials[0].lineage_id)
        if known is not None:
            return replace(known, point=point)
        if any(trial.lineage_id in self._taken for trial in trials):
            return self._not_mine(inquiry, before, point, trials)
        accounts = [self._account_if_told(inquiry, trial) for trial in trials]
        steps, rungs = pruned_at(inquiry, before, inquiry.asked, point, accounts)
        fate, value = outcome_of(accounts, inquiry.group.seed_rule.completed)
        if steps is not None:
            fate, value = Outcome.PRUNED, None
        told = first[trials[0].lineage_id] = ProposalResult(point=point, fate=fate, value=value, rungs=rungs)
        failed = {
            trial.lineage_id: account.why
            for trial, account in zip(trials, accounts, strict=True)
            if account.fate is Outcome.FAILED and account.why != NO_SCORE
        }
        inquiry.proposals.append(
            Proposal(
                number=inquiry.asked, told_before=before, told=told, trials=trials, failed=failed, pruned_at_steps=steps
            )
        )
        return told

    def _not_mine(
        self, inquiry: SearchState, before: tuple[Batch, ...], point: Point, trials: Sequence[Trial]
    ) -> ProposalResult:
        """A proposal that is a training of another group: not decided, so that its search waits for the user.

        Raises:
            BadInput: It was clear from the file alone, before anything was pushed; or the search has nothing else.
        """
        mine, others = next(
            (trial, self._taken[trial.lineage_id]) for trial in trials if trial.lineage_id in self._taken
        )
        fault = BadInput(
            f"the proposal {mine.label} is the same training as {others}",
            remedy="Take it out of one of the two: a training is run once.",
        )
        by_file = mine.lineage_id in (self._of_file or {})
        if not before and (by_file or not inquiry.proposals):
            raise fault
        inquiry.faults[mine.lineage_id] = fault
        return ProposalResult(point=point, fate=Outcome.OPEN)

    def _trials_of(self, inquiry: SearchState, point: Point) -> tuple[Trial, ...] | BadInput:
        known = inquiry.trials_of_point.get(point)
        if known is None:
            cell = cell_of(inquiry.search, point)
            try:
                variant = variant_of(inquiry.name, inquiry.group, cell, self._card_of, index=0)
                known = tuple(trials_of(variant, inquiry.group.seed_rule, first_index=0))
            except BadInput as fault:
                known = fault
            inquiry.trials_of_point[point] = known
        return known

    def _account_if_told(self, inquiry: SearchState, trial: Trial) -> TrainingResult:
        try:
            return self._account(trial)
        except (BadInput, RunFailed) as fault:
            inquiry.faults[trial.lineage_id] = fault
            return TrainingResult(fate=Outcome.OPEN)

    def _account(self, trial: Trial) -> TrainingResult:
        known = self._accounts.get(trial.lineage_id)
        if known is None:
            search = self._campaign.trials[trial.variant.group].search

            def number(record: SessionRecord) -> float | None:
                return objective_value(record, search, self._results) if search else None

            runs, sessions = self._ledger.runs(trial.lineage_id), self._ledger.sessions(trial.lineage_id)
            known = self._accounts[trial.lineage_id] = training_result(trial, runs, sessions, self._campaign, number)
        return known

    def _sizes(self, group: Group) -> Profile:
        return self._card_of(group.section, group.settings).profiles[group.profile]

    def _card_of(self, section: str, settings: Settings) -> SectionCard:
        """Each card read and checked once: they are asked for after every change in the ledger."""
        key = (section, repr(sorted(settings.items())))
        if key not in self._cards:
            self._cards[key] = self._card_of_file(section, settings)
        return self._cards[key]
