"""Where each trial of a campaign stands, decided from what the ledger says of its lineage. No I/O."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from orchestrator.core.campaign.backoff import MOST_RESTS, due_at, rests_in_row
from orchestrator.core.campaign.expansion import Trial
from orchestrator.core.ledger.records import RunRecord
from orchestrator.core.run.summary import GOOD_ENDS
from orchestrator.core.session.end_reason import EndReason
from orchestrator.kernel.outcome import Verdict

INVALID = "invalid"
PLATEAU = "plateau"
REFUSED_HERE = "bad_input"
"""Failure of a trial that this computer refuses before anything is sent; nothing in the ledger tells of it."""

ITS_OWN = frozenset(
    {
        INVALID,
        PLATEAU,
        EndReason.SECTION_FAILED.value,
        EndReason.CHECKPOINT_UNUSABLE.value,
        EndReason.STOPPED.value,
        REFUSED_HERE,
    }
)
"""Failures that say something of the training itself: another seed in its place would choose the results."""


class State(StrEnum):
    """Where a trial stands. The last six are final until somebody changes the campaign, the code or a card."""

    WAITING = "waiting"
    LIVE = "live"
    BLOCKED = "blocked"
    """It waits for trials of another group."""
    DONE = "done"
    STALE = "stale"
    """It was finished by other code than today's, or its verdict answers other criteria or scenarios: never run again
    by itself, never mixed with today's results."""
    FAILED = "failed"
    PRUNED = "pruned"
    """Its search gave it up at a rung. It never counts as done, even if it ran on to its end before anybody looked."""
    CUT_OFF = "cut_off"
    """A group that it waits for can no longer be completed."""
    SPARE = "spare"
    """Not needed as long as the variant's own seeds complete."""

    @property
    def final(self) -> bool:
        """Whether no tick will do anything about it."""
        return self in FINAL


FINISHED = frozenset({State.DONE, State.STALE})
SETTLED = frozenset({*FINISHED, State.FAILED, State.PRUNED, State.SPARE})
"""States in which a search has its answer: it may propose further."""
FINAL = frozenset({*SETTLED, State.CUT_OFF})


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialStatus:
    """One trial, as the ledger knows it.

    Attributes:
        why: Word for a failure: an end of a run, `invalid`, `plateau` or `bad_input`; of a pruned one, where.
        run: Its latest run in its own profile, or in another while there is none; None before the first.
        wall_s: Wall seconds of all its sessions.
        trained_steps: Steps that these trained, steps lost again included.
        due_at: Until when a waiting trial rests after a failure, None without one; may be past.
    """

    trial: Trial
    state: State
    steps_done: int = 0
    sessions: int = 0
    wall_s: float = 0.0
    trained_steps: int = 0
    why: str = ""
    verdict: str | None = None
    run: RunRecord | None = None
    due_at: datetime | None = None


def trial_status(
    trial: Trial,
    runs: Sequence[RunRecord],
    *,
    live: bool,
    code_digest: str,
    retries: Mapping[str, int],
    refused: str = "",
) -> TrialStatus:
    """The standing of one trial, other trials aside.

    Args:
        runs: All runs of its lineage, oldest first.
        live: Whether a session of it is not yet carried to its end.
        code_digest: Of the code as it is now.
        retries: Failure -> further runs that the campaign allows.
        refused: Why this computer refuses it, empty if it does not.
    """
    # Quick and full share a lineage: each is judged by its own runs, and goes on from what either trained last.
    runs_of_profile = [run for run in runs if run.profile == trial.variant.profile]
    latest = runs_of_profile[-1] if runs_of_profile else None
    standing = TrialStatus(
        trial=trial,
        state=State.WAITING,
        steps_done=runs[-1].steps_done if runs else 0,
        sessions=sum(run.sessions for run in runs),
        wall_s=sum(run.wall_s for run in runs),
        trained_steps=sum(run.trained_steps for run in runs),
        verdict=latest.verdict if latest else None,
        run=latest or (runs[-1] if runs else None),
    )
    if live:
        return replace(standing, state=State.LIVE)
    if (searched := trial.variant.searched) is not None:
        if searched.pruned_at_steps is not None:
            return replace(standing, state=State.PRUNED, why=f"at {searched.pruned_at_steps} steps")
        if trial.lineage_id in searched.failed:  # under whatever code: nobody would ask for the result any more
            return replace(standing, state=State.FAILED, why=searched.failed[trial.lineage_id])
    if latest is not None and is_complete(trial, latest):
        standing = replace(standing, steps_done=latest.steps_done)
        current = latest.code_digest in (None, code_digest) and latest.question in (None, trial.question)
        if latest.verdict != Verdict.INVALID:
            return replace(standing, state=State.DONE if current else State.STALE)
        if current:
            return replace(standing, state=State.FAILED, why=INVALID)
        # Other code or another question: there is no number to keep, so its policy is asked again.
    failures = Counter(failure_of(run) for run in runs_of_profile if run.code_digest in (None, code_digest))
    why = failure_of(latest) if latest is not None and latest.code_digest in (None, code_digest) else ""
    if why and failures[why] > retries.get(why, 0):
        return replace(standing, state=State.FAILED, why=why)
    if refused:
        return replace(standing, state=State.FAILED, why=REFUSED_HERE)
    return _waiting(standing, runs, latest, max(MOST_RESTS, retries.get(EndReason.DISK_FULL, 0)))


def _waiting(
    standing: TrialStatus, runs: Sequence[RunRecord], latest: RunRecord | None, most_rests: int
) -> TrialStatus:
    """The same, resting after a failure; one that finds a full disk again and again fails in the end."""
    why = EndReason.DISK_FULL.value if latest is not None and latest.end_reason == EndReason.DISK_FULL else ""
    if rests_in_row(runs) > most_rests:
        return replace(standing, state=State.FAILED, why=why)
    return replace(standing, why=why, due_at=due_at(runs, standing.trial.lineage_id))


def is_complete(trial: Trial, run: RunRecord) -> bool:
    """Whether a run came to the trial's target and was judged there."""
    return run.steps_done >= trial.target_steps and run.end_reason in GOOD_ENDS and run.verdict is not None


def failure_of(run: RunRecord) -> str:
    """Word for the failure of an ended run, empty for any other, one that found a full disk among these."""
    ended_well = run.end_reason in GOOD_ENDS or run.end_reason in (None, "interrupted", EndReason.DISK_FULL)
    return "" if ended_well else str(run.end_reason)


def with_dependencies(standings: Sequence[TrialStatus]) -> tuple[TrialStatus, ...]:
    """The same with what follows from other trials: spares that are not needed, groups that wait for groups."""
    if not any(one.trial.spare or one.trial.variant.after for one in standings):
        return tuple(standings)
    needed = Counter[int]()
    for one in standings:
        if not one.trial.spare and one.state is State.FAILED and one.why not in ITS_OWN:
            needed[one.trial.variant.index] += 1
    spared: list[TrialStatus] = []
    for one in standings:
        if one.trial.spare and one.state is State.WAITING and one.run is None:
            if needed[one.trial.variant.index] <= 0:
                one = replace(one, state=State.SPARE)
            needed[one.trial.variant.index] -= 1
        elif one.trial.spare and one.state is not State.FAILED:
            needed[one.trial.variant.index] -= 1
        spared.append(one)
    unfinished, lost = _groups(spared)
    return tuple(_ordered(one, unfinished, lost) for one in spared)


def incomplete_groups(standings: Sequence[TrialStatus], states: Collection[State]) -> frozenset[str]:
    """Groups with a variant of which fewer trials than must complete, spares included, are in one of these states."""
    found = Counter[int]()
    for one in standings:
        found[one.trial.variant.index] += one.state in states
    variants = (one.trial.variant for one in standings)
    return frozenset(variant.group for variant in variants if found[variant.index] < variant.completed)


def unfinished(standings: Sequence[TrialStatus]) -> frozenset[str]:
    """Groups that are not complete: a variant lacks trials, or a search still looks or has found nothing at all."""
    named = [one for one in standings if one.trial.variant.searched is None]
    looking, fruitless = _searches(standings)
    return incomplete_groups(named, FINISHED) | looking | fruitless


def _searches(standings: Sequence[TrialStatus]) -> tuple[frozenset[str], frozenset[str]]:
    """Groups whose search is not over, and groups of whose proposals none completed so far."""
    looking, finished = set[str](), Counter[int]()
    variants = {one.trial.variant.index: one.trial.variant for one in standings if one.trial.variant.searched}
    for one in standings:
        searched = one.trial.variant.searched
        if searched is not None:
            finished[one.trial.variant.index] += one.state in FINISHED
            if searched.to_come or searched.faults or one.state not in SETTLED:
                looking.add(one.trial.variant.group)
    fruitful = {variant.group for index, variant in variants.items() if finished[index] >= variant.completed}
    return frozenset(looking), frozenset({variant.group for variant in variants.values()} - fruitful)


def _groups(standings: Sequence[TrialStatus]) -> tuple[frozenset[str], frozenset[str]]:
    """Groups that are not complete yet, and groups that cannot be completed any more."""
    afters = {one.trial.variant.group: one.trial.variant.after for one in standings}
    incomplete = unfinished(standings)
    named = [one for one in standings if one.trial.variant.searched is None]
    looking, fruitless = _searches(standings)
    stuck = {one.trial.variant.group for one in standings if _at_fault(one)}
    lost = {*incomplete_groups(named, frozenset(State) - {State.FAILED, State.SPARE}), *(fruitless - looking), *stuck}
    while further := {group for group in incomplete - lost if lost & set(afters[group])}:
        lost |= further
    return incomplete, frozenset(lost)


def _at_fault(one: TrialStatus) -> bool:
    searched = one.trial.variant.searched
    return searched is not None and bool(searched.faults)


def _ordered(one: TrialStatus, unfinished: Collection[str], lost: Collection[str]) -> TrialStatus:
    if one.state is not State.WAITING:
        return one
    after = set(one.trial.variant.after)
    if after & set(lost):
        return replace(one, state=State.CUT_OFF)
    return replace(one, state=State.BLOCKED) if after & set(unfinished) else one
