"""Where the searches of a campaign stand, and the work of proposals that nobody knows yet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from orchestrator.core.campaign.config import Campaign
from orchestrator.core.campaign.search_config import Search
from orchestrator.core.campaign.trial_status import FINISHED, State, TrialStatus
from orchestrator.core.scheduling.workload import RemainingWork, Speeds, remaining_work_of


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchProgress:
    """One search.

    Attributes:
        made: Proposals that are trials of the campaign.
        pruned: Of these, what was given up at a rung.
        refused: Proposals that the card does not take, a sentence each.
        faults: Why it cannot go on, a sentence each.
        left: Trainings that it began and proposes no longer.
        best: Label of the best of those that completed, None before the first.
        objective: Its objective.
        loads: Of the proposals to come: a trial each for every seed, batch behind batch; with a pruner the most.
    """

    group: str
    search: Search
    made: int
    pruned: int
    refused: tuple[str, ...]
    to_come: int
    best: str | None
    objective: float | None
    loads: tuple[RemainingWork, ...]
    faults: tuple[str, ...] = ()
    left: int = 0

    @property
    def last(self) -> str:
        """Name under which its last batch waits in the forecast; its own group's when no batch is to come."""
        return self.loads[-1].group if self.loads else self.group

    @property
    def repeated(self) -> int:
        """Proposals that are the same training as an earlier one."""
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
            "left": self.left,
            "repeated": self.repeated,
            "to_come": self.to_come,
            "sessions_to_come": sum(load.sessions for load in self.loads),
            "compute_h_to_come": round(sum(load.wall_s for load in self.loads) / 3600, 2),
            "best": self.best,
            "best_objective": self.objective,
        }

    def lines(self) -> list[str]:
        """For people."""
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
            *([f"  {self.left} training(s) have left this search: begun, and no longer proposed"] if self.left else []),
        ]


def search_progress(
    campaign: Campaign, standings: Sequence[TrialStatus], rates: Speeds, longest_s: float | None
) -> tuple[SearchProgress, ...]:
    """All searches of a campaign.

    Args:
        longest_s: Longest session of the backend, None without a limit.
    """
    found: list[SearchProgress] = []
    first_index = len(standings)
    for name, group in campaign.trials.items():
        members = [one for one in standings if one.trial.variant.group == name]
        if group.search is None or not members:
            continue
        prospect = _prospect(campaign, name, group.search, members)
        template = remaining_work_of(campaign, _unbegun(members), _speed(members, rates), longest_s)
        if not any(one.state is State.CUT_OFF for one in members):
            loads = _to_come(prospect, template, group.seed_rule.completed, first_index)
            prospect = replace(prospect, loads=loads)
        first_index += len(prospect.loads)
        found.append(prospect)
    return tuple(found)


def _prospect(campaign: Campaign, name: str, search: Search, members: Sequence[TrialStatus]) -> SearchProgress:
    variants = {one.trial.variant.index: one.trial.variant for one in members}
    searched = members[0].trial.variant.searched
    pruned = {one.trial.variant.index for one in members if one.state is State.PRUNED}
    # A value that the search goes by may come from older code, or from what was finished and is being done again.
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
        left=len(searched.left) if searched else 0,
        to_come=searched.to_come if searched else 0,
        best=None if best is None else variants[best].label,
        objective=None if best is None else values[best],
        loads=(),
    )


def _unbegun(members: Sequence[TrialStatus]) -> TrialStatus:
    return TrialStatus(trial=members[0].trial, state=State.WAITING)


def _speed(members: Sequence[TrialStatus], rates: Speeds) -> float:
    """The slowest that was measured in the group: proposals may be of any speed."""
    measured = [rates.measured[one.trial.variant.index] for one in members if one.trial.variant.index in rates.measured]
    return min(measured, default=rates.assumed)


def _to_come(
    prospect: SearchProgress, template: RemainingWork, seeds: int, first_index: int
) -> tuple[RemainingWork, ...]:
    batch, loads, before = prospect.search.at_once, list[RemainingWork](), prospect.group
    for number in range(prospect.to_come):
        group = f"{prospect.group} #{number // batch + 1}"
        if loads and loads[-1].group != group:
            before = loads[-1].group
        loads += [
            replace(template, index=first_index + len(loads) + rank, group=group, rank=rank, after=(before,))
            for rank in range(seeds)
        ]
    return tuple(loads)


def behind_searches(loads: Sequence[RemainingWork], searches: Sequence[SearchProgress]) -> list[RemainingWork]:
    """What is left, and what is to come; whatever waits for a search waits for its last batch."""
    last = {one.group: one.last for one in searches if one.loads}
    named = [
        replace(load, after=(*load.after, *(last[group] for group in load.after if group in last)))
        if any(group in last for group in load.after)
        else load
        for load in loads
    ]
    return [*named, *(load for one in searches for load in one.loads)]
