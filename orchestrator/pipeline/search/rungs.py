"""At which rung a proposal is given up, by the evaluations that its trainings reported."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.core.search.proposals import Batch, Point, TrainingResult, mean_rungs
from orchestrator.pipeline.search.state import SearchState


def pruned_at(
    inquiry: SearchState,
    before: tuple[Batch, ...],
    number: int,
    point: Point,
    accounts: Sequence[TrainingResult],
) -> tuple[int | None, tuple[float, ...]]:
    """Steps of the rung at which a proposal is given up, and its rungs as far as they are known."""
    if not inquiry.search.prunes:
        return None, ()
    completed = inquiry.group.seed_rule.completed
    rungs = mean_rungs(accounts, completed, inquiry.every_steps, inquiry.most_rungs)
    rung = inquiry.proposer.pruned_at(before, number, point, rungs)
    return (None if rung is None else rung * inquiry.every_steps), rungs
