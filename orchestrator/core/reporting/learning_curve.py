"""One learning curve from the sessions of a chain: every step once, seams marked, lost work counted. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.kernel.reporting.trial_report import CurvePoint, StitchedCurve


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionCurve:
    """What one session told of its training.

    Attributes:
        steps_start: Where it began.
        steps_seen: The furthest that it was seen; beyond its last save where it was killed.
        points: Its evaluations, oldest first.
    """

    steps_start: int
    steps_seen: int
    points: tuple[CurvePoint, ...] = ()


def stitch(stretches: Sequence[SessionCurve]) -> StitchedCurve:
    """Lay the stretches end to end.

    What a session did beyond the step from which the next one went on is lost; the next one did it again. An
    evaluation that was made twice is told as the later session made it, the one whose policy lives on.

    Args:
        stretches: Those of one lineage since its beginning, oldest first.
    """
    kept: dict[int, CurvePoint] = {}
    lost: dict[int, CurvePoint] = {}
    seams: list[int] = []
    wasted_steps = twice = otherwise = 0
    furthest = 0
    for place, stretch in enumerate(stretches):
        if place:
            wasted_steps += max(0, furthest - stretch.steps_start)
            if stretch.steps_start:
                seams.append(stretch.steps_start)
            beyond = {steps: point for steps, point in kept.items() if steps > stretch.steps_start}
            lost.update(beyond)
            kept = {steps: point for steps, point in kept.items() if steps not in beyond}
        for point in stretch.points:
            earlier = lost.pop(point.steps, None)
            if earlier is not None:
                twice += 1
                otherwise += earlier.score != point.score
            kept[point.steps] = point
        furthest = max(stretch.steps_start, stretch.steps_seen)
    return StitchedCurve(
        points=tuple(kept[steps] for steps in sorted(kept)),
        seams=tuple(dict.fromkeys(seams)),
        wasted_steps=wasted_steps,
        measured_twice=twice,
        measured_otherwise=otherwise,
    )
