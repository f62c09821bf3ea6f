"""The progress of a campaign's searches, and the expected work of their future proposals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from orchestrator.core.campaign.config import Campaign
from orchestrator.core.campaign.search_config import Search
from orchestrator.core.campaign.trial_status import FINISHED, State, TrialStatus
from orchestrator.core.scheduling.speeds import Speeds
from orchestrator.core.scheduling.workload import LongestSessions, RemainingWork, remaining_work_of


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchProgress:
    """One search.

    Attributes:
        made: Number of proposals that are trials of the campaign.
        pruned: Number of these that were pruned.
        refused: Proposals that the card does not accept, a sentence each.
        faults: Why it cannot go on, a sentence each.
        to_come: Number of proposals that are not made yet.
        orphans: Number of trainings that it started and no longer proposes.
        best: Label of the best complete proposal, None before the first.
        objective: Objective of that proposal.
        work: Expected work of the proposals to come, one entry per seed, each batch after the one before; an upper
            bound with a pruner.
    """

    group: str
    search: Search
    made: int
    pruned: int
    refused: tuple[str, ...]
    to_come: int
    best: str | None
    objective: float | None
    work: tuple[RemainingWork, ...]
    faults: tuple[str, ...] = ()
    orphans: int = 0

    @property
    def last(self) -> str:
        """Group name of its last batch in the forecast; its own group if no batch is to come."""
        return self.work[-1].group if self.work else self.group

    @property
    def repeated(self) -> int:
        """Number of proposals that are the same training as an earlier one."""
        return self.search.most - self.made - self.to_come - len(self.refused)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON form."""
        return {
            "group": self.group,
            "sampler": self.search.sampler,
            "pruner": self.search.pruning.kind,
            "objective": self.search.objective,
            "direction": self.search.direction,
            "proposals": self.search.most,
            "made": self.made,
            "pruned": self.pruned,
            "refused": list(self.refused),
            "faults": list(self.faults),
            "left": self.orphans,
            "repeated": self.repeated,
            "to_come": self.to_come,
            "sessions_to_come": sum(one.sessions for one in self.work),
            "compute_h_to_come": round(sum(one.wall_s for one in self.work) / 3600, 2),
            "best": self.best,
            "best_objective": self.objective,
        }

    def lines(self) -> list[str]:
        """Lines for the user."""
        plain = self.to_json()
        best = f"best {self.objective:.6g} by {self.best}" if self.objective is not None else "none complete yet"
        pruned = f", {self.pruned} of them pruned" if self.search.prunes else ""
        rest = f"{plain['sessions_to_come']} sessions, {plain['compute_h_to_come']} h"
        most = "at most " if self.search.prunes else ""
        twice = f", {self.repeated} proposed twice" if self.repeated else ""
        return [
            f"Search {self.group} ({self.search.sampler}): {self.made} of {self.search.most} proposed{pruned}{twice}; "
            f"{self.to_come} to come, {most}{rest}; {self.search.objective}: {best}",
            *(f"  {line}" for line in (*self.refused, *self.faults)),
            *(f"  {line}" for line in self._of_another_search()),
        ]

    def _of_another_search(self) -> list[str]:
        if not self.orphans:
            return []
        return [
            f"{self.orphans} training(s) were started and are no longer proposed: another space, seed or batch is "
            "another search, and its sampler does not learn from them.",
            "Their results stay in the ledger. With the former `search` block, the former search goes on.",
        ]


def search_progress(
    campaign: Campaign, statuses: Sequence[TrialStatus], rates: Speeds, longest_s: LongestSessions
) -> tuple[SearchProgress, ...]:
    """All searches of a campaign.

    Args:
        longest_s: As in `remaining_work`.
    """
    found: list[SearchProgress] = []
    first_index = len(statuses)
    for name, group in campaign.trials.items():
        members = [one for one in statuses if one.trial.variant.group == name]
        if group.search is None or not members:
            continue
        progress = _progress(name, group.search, members)
        template = remaining_work_of(campaign, _not_started(members), rates, longest_s, _speed(members, rates))
        if not any(one.state is State.CUT_OFF for one in members):
            work = _work_to_come(progress, template, group.seed_rule.completed, first_index)
            progress = replace(progress, work=work)
        first_index += len(progress.work)
        found.append(progress)
    return tuple(found)


def _progress(name: str, search: Search, members: Sequence[TrialStatus]) -> SearchProgress:
    variants = {one.trial.variant.index: one.trial.variant for one in members}
    searched = members[0].trial.variant.searched
    pruned = {one.trial.variant.index for one in members if one.state is State.PRUNED}
    # The search also uses values of older code; the best one is chosen among the trials that are finished now.
    finished = {one.trial.variant.index for one in members if one.state in FINISHED}
    values = {
        index: variant.searched.value
        for index, variant in variants.items()
        if index in finished and variant.searched and variant.searched.value is not None
    }
    best_of = max if search.direction == "maximize" else min
    best = best_of(values, key=lambda index: values[index]) if values else None
    return SearchProgress(
        group=name,
        search=search,
        made=len(variants),
        pruned=len(pruned),
        refused=searched.refused if searched else (),
        faults=searched.faults if searched else (),
        orphans=len(searched.orphans) if searched else 0,
        to_come=searched.to_come if searched else 0,
        best=None if best is None else variants[best].label,
        objective=None if best is None else values[best],
        work=(),
    )


def _not_started(members: Sequence[TrialStatus]) -> TrialStatus:
    return TrialStatus(trial=members[0].trial, state=State.WAITING)


def _speed(members: Sequence[TrialStatus], rates: Speeds) -> float:
    """The lowest measured speed of the group: future proposals may have any speed."""
    measured = [rates.measured[one.trial.variant.index] for one in members if one.trial.variant.index in rates.measured]
    return min(measured, default=rates.assumed)


def _work_to_come(
    progress: SearchProgress, template: RemainingWork, seeds: int, first_index: int
) -> tuple[RemainingWork, ...]:
    batch, work, before = progress.search.at_once, list[RemainingWork](), progress.group
    for number in range(progress.to_come):
        group = f"{progress.group} #{number // batch + 1}"
        if work and work[-1].group != group:
            before = work[-1].group
        work += [
            replace(template, index=first_index + len(work) + rank, group=group, rank=rank, after=(before,))
            for rank in range(seeds)
        ]
    return tuple(work)


def behind_searches(work: Sequence[RemainingWork], searches: Sequence[SearchProgress]) -> list[RemainingWork]:
    """The known work and that of future proposals; a group that waits for a search waits for its last batch."""
    last = {one.group: one.last for one in searches if one.work}
    named = [
        replace(one, after=(*one.after, *(last[group] for group in one.after if group in last)))
        if any(group in last for group in one.after)
        else one
        for one in work
    ]
    return [*named, *(one for search in searches for one in search.work)]
