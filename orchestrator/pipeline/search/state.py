"""One group that searches: its proposals so far, and what prevents further ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from orchestrator.core.campaign.expansion import ProposalInfo, Trial
from orchestrator.core.campaign.group import Group
from orchestrator.core.campaign.search_config import Search
from orchestrator.core.errors import BadInput, OrchestratorError
from orchestrator.core.search.proposals import Batch, Point, ProposalResult, TrainingResult, cell_of, mean_rungs
from orchestrator.core.section.card import Profile
from orchestrator.core.section.overrides import Settings
from orchestrator.ports import Proposer

ProposerOf = Callable[[Search, int], Proposer]
"""A search, and the number of rungs below the target of its trainings -> the proposer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A proposal that is a variant of the campaign.

    Attributes:
        number: Place among all proposals, from 0.
        earlier: The batches before its own.
        failed: Lineage id -> word for the failure, of its trainings that failed for good.
        pruned_at_steps: The rung at which it was pruned, None if it was not.
    """

    number: int
    earlier: tuple[Batch, ...]
    result: ProposalResult
    trials: tuple[Trial, ...]
    failed: Mapping[str, str]
    pruned_at_steps: int | None


class SearchState:
    """One group that searches.

    Raises:
        BadInput: The pruner would never compare before a training ends, or lacks the steps at which it compares.
    """

    def __init__(self, name: str, group: Group, search: Search, sizes: Profile, proposer_of: ProposerOf) -> None:
        self.name, self.group, self.search = name, group, search
        every_steps, target_steps = search.pruning.every_steps or sizes.evaluate_every_steps, sizes.target_steps
        if search.prunes and (every_steps is None or target_steps is None):
            raise BadInput(
                f"{name}: the pruner compares trainings at steps, and the section's profile has no "
                + ("target_steps" if target_steps is None else "evaluate_every_steps"),
                remedy="Add it to the profile in the section's card, or leave out the pruner.",
            )
        self.every_steps = every_steps or 1
        self.most_rungs = 0 if target_steps is None else (target_steps - 1) // self.every_steps
        least = max(search.pruning.least_rungs or 1, (search.pruning.warmup_rungs or 0) + 1)
        if search.prunes and self.most_rungs < least:
            raise BadInput(
                f"{name}: the pruner would compare for the first time after {least * self.every_steps} steps, "
                f"and a training ends after {target_steps}",
                remedy="Lower every_steps, least_rungs or warmup_rungs of the pruner.",
            )
        self.proposer = proposer_of(search, self.most_rungs)
        self.trials_of_point: dict[Point, tuple[Trial, ...] | BadInput] = {}
        self.proposals: list[Proposal] = []
        self.proposed = 0
        self.refused: list[str] = []
        self.faults: dict[str, OrchestratorError] = {}

    def pruned_at(
        self, earlier: tuple[Batch, ...], number: int, point: Point, trainings: Sequence[TrainingResult]
    ) -> tuple[int | None, tuple[float, ...]]:
        """Steps of the rung at which a proposal is pruned, None if it is not, and its known rungs.

        Args:
            earlier: The batches before its own.
            number: Its place among all proposals, from 0.
        """
        if not self.search.prunes:
            return None, ()
        rungs = mean_rungs(trainings, self.group.seed_rule.completed, self.every_steps, self.most_rungs)
        rung = self.proposer.pruned_at(earlier, number, point, rungs)
        return (None if rung is None else rung * self.every_steps), rungs

    def as_variant(self, proposal: Proposal, orphans: Sequence[str]) -> tuple[Settings, ProposalInfo]:
        """The proposal as `expand` takes it.

        Args:
            orphans: Lineage ids of trainings that this search started and no longer proposes.
        """
        info = ProposalInfo(
            number=proposal.number,
            batch=len(proposal.earlier),
            to_come=self.search.most - self.proposed,
            refused=tuple(self.refused),
            faults=tuple(f"{self.name}: {fault} {fault.remedy}".rstrip() for fault in self.faults.values()),
            orphans=tuple(orphans),
            value=proposal.result.value,
            failed=proposal.failed,
            pruned_at_steps=proposal.pruned_at_steps,
        )
        return cell_of(self.search, proposal.result.point), info
