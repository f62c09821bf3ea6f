"""The results of a search's proposals and trainings, decided from the rows of the ledger alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import fmean

from orchestrator.core.campaign.config import Campaign
from orchestrator.core.campaign.expansion import Trial
from orchestrator.core.campaign.search_config import Range, Search, tidy
from orchestrator.core.campaign.stop_rules import on_plateau
from orchestrator.core.campaign.trial_status import INVALID, ITS_OWN, PLATEAU, failure_of, is_complete
from orchestrator.core.ledger.records import RunRecord, SessionRecord, reaches
from orchestrator.core.section.overrides import Setting
from orchestrator.kernel.outcome import Verdict

Point = tuple[tuple[str, int | float], ...]
"""A proposal as a sampler sees it: key -> number, or place in the list of choices; in the order of the space."""

Curve = Sequence[tuple[int, float]]
"""Evaluations during a training: steps and score, oldest first."""

NO_SCORE = "no_score"
"""Word for a training that is done and whose section reports no score: its search cannot use it."""


class Outcome(StrEnum):
    """The state of a training, or of a proposal with all its seeds. All but OPEN are final."""

    OPEN = "open"
    COMPLETE = "complete"
    PRUNED = "pruned"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposalResult:
    """A proposal and what sampler and pruner learn about it.

    Attributes:
        value: The objective, mean over seeds; None unless complete.
        rungs: Best score so far at each rung that all seeds have reached, mean over seeds, first rung first.
    """

    point: Point
    outcome: Outcome
    value: float | None = None
    rungs: tuple[float, ...] = ()


Batch = tuple[ProposalResult, ...]
"""Proposals that were made at once, in their order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingResult:
    """One training of a search, by the ledger.

    Attributes:
        why: Word for the failure; `NO_SCORE` if it is done and reports no score.
        number: The objective; None unless it is complete.
    """

    outcome: Outcome
    why: str = ""
    number: float | None = None
    curve: Curve = ()


def cell_of(search: Search, point: Point) -> dict[str, Setting]:
    """The settings of a proposal."""
    cell: dict[str, Setting] = {}
    for key, number in point:
        where = search.space[key]
        cell[key] = where[int(number)] if isinstance(where, list) else number
    return cell


def written(where: Range | list[Setting], number: int | float) -> int | float:
    """A proposed number, rounded to four digits: machines that differ in the last bit propose the same training."""
    if isinstance(where, list) or where.whole:
        return int(number)
    if where.step is not None:
        return tidy(number)
    return min(max(tidy(number, digits=4), where.low), where.high)


def training_result(
    trial: Trial,
    runs: Sequence[RunRecord],
    sessions: Sequence[SessionRecord],
    campaign: Campaign,
    number_of: Callable[[SessionRecord], float | None],
) -> TrainingResult:
    """The result of one training, by its first final result.

    Later runs, with other code or by hand, change nothing: further proposals were made because of the first result.

    Args:
        runs: Runs of its lineage, oldest first.
        sessions: Sessions of its lineage.
        number_of: Session that evaluated -> its objective.
    """
    ordered = sorted(sessions, key=lambda one: (one.session, one.attempt))
    curve = _curve(ordered)
    why = _first_end(trial, [run for run in runs if run.profile == trial.variant.profile], campaign.retries)
    if why is None:
        flat = campaign.stop.plateau is not None and on_plateau(ordered, campaign.stop.plateau)
        return (
            TrainingResult(outcome=Outcome.FAILED, why=PLATEAU, curve=curve)
            if flat
            else TrainingResult(outcome=Outcome.OPEN, curve=curve)
        )
    number = None if why else _number(trial, ordered, number_of)
    if number is None:
        return TrainingResult(outcome=Outcome.FAILED, why=why or NO_SCORE, curve=curve)
    return TrainingResult(outcome=Outcome.COMPLETE, number=number, curve=curve)


def _first_end(trial: Trial, runs: Sequence[RunRecord], retries: Mapping[str, int]) -> str | None:
    """The failure that is final for a training, empty if it is complete, None while it is neither."""
    failures = Counter[tuple[str, str | None]]()
    for run in runs:
        if is_complete(trial, run):
            return INVALID if run.verdict == Verdict.INVALID else ""
        if why := failure_of(run):
            failures[why, run.code_digest] += 1
            if failures[why, run.code_digest] > retries.get(why, 0):
                return why
    return None


def _number(
    trial: Trial, ordered: Sequence[SessionRecord], number_of: Callable[[SessionRecord], float | None]
) -> float | None:
    for one in ordered:
        if one.evaluated and reaches(one, trial.target_steps):
            return number_of(one)
    return None


def _curve(ordered: Sequence[SessionRecord]) -> Curve:
    curve: Curve = ()
    for one in ordered:
        curve = joined(curve, one.curve)
    return curve


def joined(earlier: Curve, later: Curve) -> Curve:
    """Evaluations of one training; where steps were lost and trained again, the first evaluation counts."""
    return sorted({**dict(later), **dict(earlier)}.items())


def rungs_of(curve: Curve, every_steps: int, most: int) -> tuple[float, ...]:
    """Best score at each rung that the evaluations reach, first rung first.

    A rung is reached by the first evaluation at or after its steps: algorithms evaluate at step counts of their own.
    """
    rungs: list[float] = []
    best = float("-inf")
    for steps, score in curve:
        best = max(best, score)
        while len(rungs) < most and steps >= (len(rungs) + 1) * every_steps:
            rungs.append(best)
    return tuple(rungs)


def mean_rungs(trainings: Sequence[TrainingResult], completed: int, every_steps: int, most: int) -> tuple[float, ...]:
    """Mean over the first `completed` seeds that reached each rung; ends at the first rung that fewer reached."""
    ladders = [rungs_of(training.curve, every_steps, most) for training in trainings]
    means: list[float] = []
    for rung in range(most):
        values = [ladder[rung] for ladder in ladders if len(ladder) > rung][:completed]
        if len(values) < completed:
            break
        means.append(fmean(values))
    return tuple(means)


def outcome_of(trainings: Sequence[TrainingResult], completed: int) -> tuple[Outcome, float | None]:
    """The outcome of a proposal by its seeds, spares last, without pruning; and its objective if it is complete."""
    numbers = [training.number for training in trainings if training.number is not None]
    if len(numbers) >= completed:
        return Outcome.COMPLETE, fmean(numbers[:completed])
    failed = [training for training in trainings if training.outcome is Outcome.FAILED]
    lost = len(trainings) - len(failed) < completed or any(training.why in (*ITS_OWN, NO_SCORE) for training in failed)
    return (Outcome.FAILED, None) if lost else (Outcome.OPEN, None)
