"""What a session's events say for the page: curve, rewards, rate and the time of the latest report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from orchestrator.core.ledger.records import SessionRecord
from orchestrator.core.page.conversion.chain import Reports
from orchestrator.core.reporting.learning_curve import SessionCurve
from orchestrator.core.session.live_progress import REWARD_NAMES, first_number, measured
from orchestrator.kernel.reading.shapes import COUNT, fits
from orchestrator.kernel.reporting.evaluation import evaluation_in
from orchestrator.kernel.reporting.trial_report import CurvePoint


def reports_in(events: Sequence[Mapping[str, Any]], curve: SessionCurve) -> Reports:
    """What a session reported.

    Args:
        events: Oldest first; values may be anything.
        curve: Its learning curve, from the same events.
    """
    return Reports(
        curve=curve,
        rewards=tuple(_rewards(events)),
        steps_per_s=measured(events).get("steps_per_s"),
        selects_best=any(evaluation_in(one) is not None and fits(COUNT, one.get("best_steps")) for one in events),
    )


def recorded_reports(record: SessionRecord, begun: int) -> Reports:
    """What the ledger knows of a session's reports, where its event file is gone.

    Args:
        begun: Steps from which the session continued.
    """
    points = tuple(
        CurvePoint(steps=steps, score=score, measures={}, session=record.slug) for steps, score in record.curve
    )
    seen = max([begun, record.steps_done or 0, *(point.steps for point in points)])
    return Reports(curve=SessionCurve(steps_start=begun, steps_seen=seen, points=points))


def _rewards(events: Sequence[Mapping[str, Any]]) -> Iterator[tuple[int, float]]:
    for event in events:
        steps = event.get("steps")
        if event.get("kind") != "progress" or not isinstance(steps, int) or isinstance(steps, bool) or steps < 0:
            continue
        reward = first_number(event, REWARD_NAMES)
        if reward is not None:
            yield steps, reward
