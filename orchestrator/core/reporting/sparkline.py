"""Learning curves as text: a line of block characters, and a Mermaid chart for a CI job summary."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeVar

from orchestrator.kernel.reporting.trial_report import CurvePoint, StitchedCurve

Item = TypeVar("Item")

_BLOCKS = "▁▂▃▄▅▆▇█"
_MOST_POINTS = 20


def sparkline(points: Sequence[CurvePoint], width: int = 20) -> str:
    """The scores as block characters, the lowest score shortest; of a long curve evenly spread points.

    Args:
        points: Oldest first.
        width: Maximum number of characters.
    """
    scores = [point.score for point in thinned(points, width)]
    if not scores:
        return ""
    low, spread = min(scores), max(scores) - min(scores)
    return "".join(_BLOCKS[round((score - low) / spread * (len(_BLOCKS) - 1)) if spread else 0] for score in scores)


def mermaid(curves: Mapping[str, Sequence[StitchedCurve]]) -> Iterator[str]:
    """A chart for each variant: the mean score of its trainings at the steps that all of them have reached.

    Trainings with less than half of the points of the longest are left out, because they would shorten the chart.

    Args:
        curves: Variant -> curves of its trainings.
    """
    for variant, members in curves.items():
        longest = max((len(curve.points) for curve in members), default=0)
        drawn = [
            {point.steps: point.score for point in curve.points}
            for curve in members
            if 2 * len(curve.points) >= longest
        ]
        steps = sorted(set.intersection(*map(set, drawn))) if drawn else []
        if len(steps) < 2:
            continue
        shown = thinned(steps, _MOST_POINTS)
        means = [sum(one[step] for one in drawn) / len(drawn) for step in shown]
        trainings = f"mean of {len(drawn)} of {len(members)} trainings"
        yield "```mermaid"
        yield "xychart-beta"
        yield f'  title "{variant}, {trainings}: score"'
        yield f'  x-axis "steps" [{", ".join(map(str, shown))}]'
        yield f'  y-axis "score" {_outside(min(means), max(means))}'
        yield f"  line [{', '.join(f'{mean:.6g}' for mean in means)}]"
        yield "```"


def _outside(low: float, high: float) -> str:
    margin = 0.05 * (high - low) or 1.0
    return f"{low - margin:.6g} --> {high + margin:.6g}"


def thinned(items: Sequence[Item], most: int) -> list[Item]:
    """At most `most` of the items, evenly spread, with the first and the last."""
    if len(items) <= most:
        return list(items)
    return [items[round(place * (len(items) - 1) / (most - 1))] for place in range(most)]
