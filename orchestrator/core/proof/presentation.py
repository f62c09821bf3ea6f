"""The result of a proof as lines for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from orchestrator.core.proof.comparison import Comparison, Finding, Same
from orchestrator.core.proof.ends import FirstDifference
from orchestrator.kernel.training.proof import count_of_cuts

_CONCLUSIONS = {
    Finding.EXACT: "EXACT: with {count} in {steps} steps, the training ends with the same bytes",
    Finding.NOT_KEPT: "NOT EXACT (statistical): something cannot be kept",
    Finding.DIFFERENT: "NOT EXACT (statistical): the cut training is another one",
    Finding.NOT_REPRODUCIBLE: "NOT REPRODUCIBLE (statistical): two trainings without a cut already differ",
}


def lines_of(comparison: Comparison, causes: Sequence[str], *, steps: int, cuts: Sequence[int]) -> Iterator[str]:
    """The result as text.

    Args:
        comparison: What was found.
        causes: See `causes`.
        steps: Steps of the straight training.
        cuts: Steps at which the other one was cut.
    """
    if cuts:
        yield f"Cut at {', '.join(map(str, cuts))} of {steps} steps"
    width = max(map(len, comparison.rows), default=0)
    for name, same in comparison.rows.items():
        yield f"  {name.ljust(width)}  {same}"
    if comparison.not_compared:
        yield f"  Not compared, since it varies without a cut too: {', '.join(comparison.not_compared)}"
    if comparison.first is not None:
        yield f"First difference: {describe(comparison.first)}"
    for cause in causes:
        yield f"  Cause: {cause}" if comparison.lost else f"  Usual cause: {cause}"
    never = [name for name, same in comparison.rows.items() if same is Same.NEVER_CHANGES]
    if never:
        yield f"  Never changes while it trains: {', '.join(never)}"
    yield _CONCLUSIONS[comparison.finding].format(count=count_of_cuts(len(cuts)), steps=steps)


def describe(first: FirstDifference) -> str:
    """Part and place of a first difference."""
    where = "at the end" if first.step is None else f"at step {first.step}"
    after = "" if first.resumed_at is None else f", after the cut at {first.resumed_at}"
    values = "" if first.values is None else f": {first.values[0]} straight, {first.values[1]} otherwise"
    return f"{first.part}, {where}{after}{values}"
