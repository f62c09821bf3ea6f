"""One learning curve from the sessions of a chain: each step once, with seams and lost work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from orchestrator.kernel.reporting.trial_report import CurvePoint, StitchedCurve


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionCurve:
    """The learning curve of one session.

    Attributes:
        steps_start: Steps at its start.
        steps_seen: Highest reported steps; beyond its last save if it was killed.
        points: Its evaluations, oldest first.
        last_at: ISO time of its latest report, None without one.
    """

    steps_start: int
    steps_seen: int
    points: tuple[CurvePoint, ...] = ()
    last_at: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LostSteps:
    """Steps that a session trained and that the next one trained again.

    Attributes:
        place: Place of the session that lost them among the curves.
        steps_from: Steps from which the next session continued.
        steps_to: The furthest that the session reported.
    """

    place: int
    steps_from: int
    steps_to: int


def lost_steps(curves: Sequence[SessionCurve]) -> tuple[LostSteps, ...]:
    """The steps that were trained, lost with their session, and trained again.

    Args:
        curves: As for `stitch`.
    """
    found: list[LostSteps] = []
    for place, (curve, following) in enumerate(pairwise(curves)):
        furthest = max(curve.steps_start, curve.steps_seen)
        if furthest > following.steps_start:
            found.append(LostSteps(place=place, steps_from=following.steps_start, steps_to=furthest))
    return tuple(found)


def stitch(curves: Sequence[SessionCurve]) -> StitchedCurve:
    """Join the curves of sessions into one.

    What a session did beyond the step from which the next one continued is lost, and was done again. Of an evaluation
    that was made twice the later one counts, because its policy was kept.

    Args:
        curves: Of one lineage from step 0 on, oldest first.
    """
    kept: dict[int, CurvePoint] = {}
    lost: dict[int, CurvePoint] = {}
    seams: list[int] = []
    twice = otherwise = 0
    for place, curve in enumerate(curves):
        if place:
            if curve.steps_start:
                seams.append(curve.steps_start)
            beyond = {steps: point for steps, point in kept.items() if steps > curve.steps_start}
            lost.update(beyond)
            kept = {steps: point for steps, point in kept.items() if steps not in beyond}
        for point in curve.points:
            earlier = lost.pop(point.steps, None)
            if earlier is not None:
                twice += 1
                otherwise += earlier.score != point.score
            kept[point.steps] = point
    return StitchedCurve(
        points=tuple(kept[steps] for steps in sorted(kept)),
        seams=tuple(dict.fromkeys(seams)),
        wasted_steps=sum(lost.steps_to - lost.steps_from for lost in lost_steps(curves)),
        measured_twice=twice,
        measured_otherwise=otherwise,
    )
