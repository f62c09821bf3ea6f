"""The status of each trial of a campaign, decided from the runs of its lineage. No I/O."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from orchestrator.core.campaign.expansion import Trial
from orchestrator.core.campaign.stop_rules import MOST_RESTS, due_at, rests_in_row
from orchestrator.core.ledger.records import RunRecord, reaches
from orchestrator.core.run.summary import GOOD_ENDS
from orchestrator.core.section.site import Site
from orchestrator.core.session.end_reason import EndReason
from orchestrator.kernel.outcome import Verdict

INVALID = "invalid"
PLATEAU = "plateau"
REFUSED_HERE = "bad_input"
"""Failure of a trial that this computer refuses before anything is sent; the ledger does not contain it."""

ITS_OWN = frozenset(
    {
        INVALID,
        PLATEAU,
        EndReason.SECTION_FAILED.value,
        EndReason.CHECKPOINT_UNUSABLE.value,
        EndReason.STOPPED.value,
        EndReason.CANCELLED.value,
        REFUSED_HERE,
    }
)
"""Failures of the training itself: a spare seed in its place would select the results."""


class State(StrEnum):
    """State of a trial. The last six are final until the campaign, the code or a card changes."""

    WAITING = "waiting"
    LIVE = "live"
    BLOCKED = "blocked"
    """It waits for trials of another group."""
    DONE = "done"
    STALE = "stale"
    """Finished with other code, criteria or scenarios: not run again by itself, never mixed with current results."""
    FAILED = "failed"
    PRUNED = "pruned"
    """Pruned by its search at a rung. It never counts as done, even if it ran to its end before the next tick."""
    CUT_OFF = "cut_off"
    """A group that it waits for can no longer be completed."""
    SPARE = "spare"
    """Not needed as long as the variant's own seeds complete."""

    @property
    def final(self) -> bool:
        """Whether no tick will change it."""
        return self in FINAL


FINISHED = frozenset({State.DONE, State.STALE})
SETTLED = frozenset({*FINISHED, State.FAILED, State.PRUNED, State.SPARE})
"""States of a trial whose result the search knows, so that it may propose further."""
FINAL = frozenset({*SETTLED, State.CUT_OFF})


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialStatus:
    """The status of one trial, by the ledger.

    Attributes:
        why: Word for the failure: an end of a run, `invalid`, `plateau` or `bad_input`; the rung if it was pruned.
        run: Its latest run in its own profile, else its latest run in another profile; None before the first.
        no_claim: Whether that run finished without a verdict because its section draws no conclusion.
        wall_s: Wall seconds of all its sessions.
        trained_steps: Steps trained in these sessions, lost steps included.
        sites: Where its checkpoints were made and its session in flight runs, the latest last; empty without kinds.
        idle_since: End of its latest session, None if unknown.
        due_at: End of a waiting trial's rest after a failure, None without one; may be in the past.
    """

    trial: Trial
    state: State
    steps_done: int = 0
    sessions: int = 0
    wall_s: float = 0.0
    trained_steps: int = 0
    why: str = ""
    verdict: str | None = None
    no_claim: bool = False
    run: RunRecord | None = None
    due_at: datetime | None = None
    sites: tuple[Site, ...] = ()
    idle_since: datetime | None = None

    @property
    def ended_badly(self) -> bool:
        """Whether it failed, or waits after a run that did: an autopsy says why."""
        if self.state is not State.WAITING or self.run is None:
            return self.state is State.FAILED
        return bool(failure_of(self.run)) or self.run.end_reason == EndReason.DISK_FULL

    @property
    def site(self) -> Site | None:
        """Where its next session continues exactly; None if it has not begun, or if that is not known."""
        return self.sites[-1] if self.sites else None


def trial_status(
    trial: Trial,
    runs: Sequence[RunRecord],
    *,
    live: bool,
    code_digest: str,
    retries: Mapping[str, int],
    refused: str = "",
) -> TrialStatus:
    """The status of one trial, without the effect of other trials.

    Args:
        runs: All runs of its lineage, oldest first.
        live: Whether a session of it is open.
        code_digest: Digest of the current code.
        retries: Failure -> further runs that the campaign allows.
        refused: Why this computer refuses it, empty if it does not.
    """
    # Quick and full share a lineage: each is judged by its own runs, and continues from the latest steps of either.
    runs_of_profile = [run for run in runs if run.profile == trial.variant.profile]
    latest = runs_of_profile[-1] if runs_of_profile else None
    status = TrialStatus(
        trial=trial,
        state=State.WAITING,
        steps_done=runs[-1].steps_done if runs else 0,
        sessions=sum(run.sessions for run in runs),
        wall_s=sum(run.wall_s for run in runs),
        trained_steps=sum(run.trained_steps for run in runs),
        verdict=latest.verdict if latest else None,
        no_claim=latest is not None and latest.no_claim,
        run=latest or (runs[-1] if runs else None),
    )
    if live:
        return replace(status, state=State.LIVE)
    if (searched := trial.variant.searched) is not None:
        if searched.pruned_at_steps is not None:
            return replace(status, state=State.PRUNED, why=f"at {searched.pruned_at_steps} steps")
        if trial.lineage_id in searched.failed:  # with any code: the search does not use the result any more
            return replace(status, state=State.FAILED, why=searched.failed[trial.lineage_id])
    if latest is not None and is_complete(trial, latest):
        status = replace(status, steps_done=latest.steps_done)
        current = latest.code_digest in (None, code_digest) and latest.question in (None, trial.question)
        if latest.verdict != Verdict.INVALID:
            return replace(status, state=State.DONE if current else State.STALE)
        if current:
            return replace(status, state=State.FAILED, why=INVALID)
        # Other code or another question: the verdict is worthless, so the policy is evaluated again.
    failures = Counter(failure_of(run) for run in runs_of_profile if run.code_digest in (None, code_digest))
    why = failure_of(latest) if latest is not None and latest.code_digest in (None, code_digest) else ""
    if why and failures[why] > retries.get(why, 0):
        return replace(status, state=State.FAILED, why=why)
    if refused:
        return replace(status, state=State.FAILED, why=REFUSED_HERE)
    return _waiting(status, runs, latest, max(MOST_RESTS, retries.get(EndReason.DISK_FULL, 0)))


def _waiting(status: TrialStatus, runs: Sequence[RunRecord], latest: RunRecord | None, most_rests: int) -> TrialStatus:
    """The status of a waiting trial with its rest after a failure; failed after too many runs with a full disk."""
    why = EndReason.DISK_FULL.value if latest is not None and latest.end_reason == EndReason.DISK_FULL else ""
    if rests_in_row(runs) > most_rests:
        return replace(status, state=State.FAILED, why=why)
    return replace(status, why=why, due_at=due_at(runs, status.trial.lineage_id))


def is_complete(trial: Trial, run: RunRecord) -> bool:
    """Whether a run reached the trial's end and has the section's result: a verdict, or no claim."""
    return reaches(run, trial.target_steps) and run.end_reason in GOOD_ENDS and run.evaluated


def failure_of(run: RunRecord) -> str:
    """Word for the failure of a run; empty if it has not failed, or found a full disk."""
    well = run.end_reason in GOOD_ENDS or run.end_reason in (None, "interrupted", EndReason.DISK_FULL)
    return "" if well else str(run.end_reason)


def with_dependencies(statuses: Sequence[TrialStatus]) -> tuple[TrialStatus, ...]:
    """Apply the rules between trials: mark spares that are not needed, block groups that depend on other groups."""
    if not any(one.trial.spare or one.trial.variant.after for one in statuses):
        return tuple(statuses)
    needed = Counter[int]()
    for one in statuses:
        if not one.trial.spare and one.state is State.FAILED and one.why not in ITS_OWN:
            needed[one.trial.variant.index] += 1
    spared: list[TrialStatus] = []
    for one in statuses:
        if one.trial.spare and one.state is State.WAITING and one.run is None:
            if needed[one.trial.variant.index] <= 0:
                one = replace(one, state=State.SPARE)
            needed[one.trial.variant.index] -= 1
        elif one.trial.spare and one.state is not State.FAILED:
            needed[one.trial.variant.index] -= 1
        spared.append(one)
    unfinished, lost = _groups(spared)
    return tuple(_with_groups(one, unfinished, lost) for one in spared)


def incomplete_groups(statuses: Sequence[TrialStatus], states: Collection[State]) -> frozenset[str]:
    """Groups where some variant has fewer trials in `states`, spares included, than must complete."""
    found = Counter[int]()
    for one in statuses:
        found[one.trial.variant.index] += one.state in states
    variants = (one.trial.variant for one in statuses)
    return frozenset(variant.group for variant in variants if found[variant.index] < variant.completed)


def unfinished(statuses: Sequence[TrialStatus]) -> frozenset[str]:
    """Groups that are not complete: a variant lacks trials, or a search is not over or has no complete proposal."""
    named = [one for one in statuses if one.trial.variant.searched is None]
    searching, fruitless = _searches(statuses)
    return incomplete_groups(named, FINISHED) | searching | fruitless


def _searches(statuses: Sequence[TrialStatus]) -> tuple[frozenset[str], frozenset[str]]:
    """Groups whose search is not over, and groups without a complete proposal so far."""
    searching, finished = set[str](), Counter[int]()
    variants = {one.trial.variant.index: one.trial.variant for one in statuses if one.trial.variant.searched}
    for one in statuses:
        searched = one.trial.variant.searched
        if searched is not None:
            finished[one.trial.variant.index] += one.state in FINISHED
            if searched.to_come or searched.faults or one.state not in SETTLED:
                searching.add(one.trial.variant.group)
    fruitful = {variant.group for index, variant in variants.items() if finished[index] >= variant.completed}
    return frozenset(searching), frozenset({variant.group for variant in variants.values()} - fruitful)


def _groups(statuses: Sequence[TrialStatus]) -> tuple[frozenset[str], frozenset[str]]:
    """Groups that are not complete, and groups that can no longer be completed."""
    afters = {one.trial.variant.group: one.trial.variant.after for one in statuses}
    incomplete = unfinished(statuses)
    named = [one for one in statuses if one.trial.variant.searched is None]
    searching, fruitless = _searches(statuses)
    stuck = {one.trial.variant.group for one in statuses if _has_faults(one)}
    lost = {*incomplete_groups(named, frozenset(State) - {State.FAILED, State.SPARE}), *(fruitless - searching), *stuck}
    while further := {group for group in incomplete - lost if lost & set(afters[group])}:
        lost |= further
    return incomplete, frozenset(lost)


def _has_faults(one: TrialStatus) -> bool:
    searched = one.trial.variant.searched
    return searched is not None and bool(searched.faults)


def _with_groups(one: TrialStatus, unfinished: Collection[str], lost: Collection[str]) -> TrialStatus:
    if one.state is not State.WAITING:
        return one
    after = set(one.trial.variant.after)
    if after & set(lost):
        return replace(one, state=State.CUT_OFF)
    return replace(one, state=State.BLOCKED) if after & set(unfinished) else one
