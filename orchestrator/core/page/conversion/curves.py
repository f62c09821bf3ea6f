"""The learning curve of a training over absolute steps, with its seams and the steps that were lost."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.core.ledger.records import SessionRecord
from orchestrator.core.page.conversion.chain import Chain, Reports
from orchestrator.core.page.training import Curve, Seam, Wasted
from orchestrator.core.reporting.learning_curve import lost_steps, stitch
from orchestrator.core.reporting.sparkline import thinned

_DIGITS = 6
"""Significant digits of a mean reward, which is only drawn."""


def curve_of(chain: Chain, most_points: int) -> Curve:
    """The curve of a training; empty before its first session.

    Args:
        most_points: Evaluations and rewards that are kept of each, at least 2; the best evaluation is always kept in
            `best_steps`.
    """
    read = [(one, chain.reports[one.key]) for one in chain.records if one.key in chain.reports]
    stitched = stitch([reports.curve for _, reports in read])
    candidates = stitched.points if chain.selects_best else ()
    best = max(candidates, key=lambda point: (point.score, -point.steps), default=None)
    points = thinned(stitched.points, most_points)
    rewards = thinned(_rewards([reports for _, reports in read]), most_points)
    return Curve(
        steps=tuple(point.steps for point in points),
        scores=tuple(point.score for point in points),
        reward_steps=tuple(steps for steps, _ in rewards),
        rewards=tuple(float(f"{reward:.{_DIGITS}g}") for _, reward in rewards),
        seams=_seams(chain, [one for one, _ in read]),
        wasted=_wasted(read),
        best_steps=None if best is None else best.steps,
        best_score=None if best is None else best.score,
        wasted_steps=stitched.wasted_steps,
    )


def _seams(chain: Chain, records: Sequence[SessionRecord]) -> tuple[Seam, ...]:
    """One for each step at which a session continued; of several sessions from the same step, the last one counts."""
    found: dict[int, Seam] = {}
    for record in records[1:]:
        if steps := record.steps_begun:
            found[steps] = Seam(
                steps=steps, grade=chain.grade_of(record), session=record.slug, reasons=record.resume_reasons
            )
    return tuple(found[steps] for steps in sorted(found))


def _wasted(read: Sequence[tuple[SessionRecord, Reports]]) -> tuple[Wasted, ...]:
    return tuple(
        Wasted(steps_from=lost.steps_from, steps_to=lost.steps_to, session=read[lost.place][0].slug)
        for lost in lost_steps([reports.curve for _, reports in read])
    )


def _rewards(read: Sequence[Reports]) -> list[tuple[int, float]]:
    """The rewards of all sessions, each step once: of a step that was trained twice, the later report counts."""
    kept: dict[int, float] = {}
    for reports in read:
        start = reports.curve.steps_start
        kept = {steps: reward for steps, reward in kept.items() if steps <= start}
        kept.update(reports.rewards)
    return sorted(kept.items())
