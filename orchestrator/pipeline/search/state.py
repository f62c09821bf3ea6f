"""One group that searches: what it has proposed so far, and what keeps it from going on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from orchestrator.core.campaign.config import Group
from orchestrator.core.campaign.expansion import ProposalInfo, Trial
from orchestrator.core.campaign.search_config import Search
from orchestrator.core.errors import BadInput, OrchestratorError
from orchestrator.core.search.proposals import Batch, Point, ProposalResult, cell_of
from orchestrator.core.section.card import Profile
from orchestrator.core.section.overrides import Settings
from orchestrator.ports import Proposer

ProposerOf = Callable[[Search, int], Proposer]
"""A search, and the number of rungs below the target of its trainings -> who proposes for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """One that is a variant of the campaign, and what must be known to judge it."""

    number: int
    told_before: tuple[Batch, ...]
    told: ProposalResult
    trials: tuple[Trial, ...]
    failed: Mapping[str, str]
    pruned_at_steps: int | None


class SearchState:
    """One group that searches."""

    def __init__(self, name: str, group: Group, search: Search, sizes: Profile, proposer_of: ProposerOf) -> None:
        self.name, self.group, self.search = name, group, search
        self.every_steps = search.pruning.every_steps or sizes.evaluate_every_steps
        self.most_rungs = (sizes.target_steps - 1) // self.every_steps
        least = max(search.pruning.least_rungs or 1, (search.pruning.warmup_rungs or 0) + 1)
        if search.prunes and self.most_rungs < least:
            raise BadInput(
                f"{name}: the pruner would compare for the first time after {least * self.every_steps} steps, "
                f"and a training ends after {sizes.target_steps}",
                remedy="Lower every_steps, least_rungs or warmup_rungs of the pruner.",
            )
        self.proposer = proposer_of(search, self.most_rungs)
        self.trials_of_point: dict[Point, tuple[Trial, ...] | BadInput] = {}
        self.proposals: list[Proposal] = []
        self.asked = 0
        self.refused: list[str] = []
        self.faults: dict[str, OrchestratorError] = {}

    def as_variant(self, one: Proposal, left: Sequence[str]) -> tuple[Settings, ProposalInfo]:
        """A proposal as the campaign's expansion takes it.

        Args:
            left: Lineages of trainings that have left this search.
        """
        searched = ProposalInfo(
            number=one.number,
            batch=len(one.told_before),
            to_come=self.search.most - self.asked,
            refused=tuple(self.refused),
            faults=tuple(f"{self.name}: {fault} {fault.remedy}".rstrip() for fault in self.faults.values()),
            left=tuple(left),
            value=one.told.value,
            failed=one.failed,
            pruned_at_steps=one.pruned_at_steps,
        )
        return cell_of(self.search, one.told.point), searched
