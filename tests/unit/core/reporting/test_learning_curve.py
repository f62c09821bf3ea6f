"""One curve from many sessions: each step once, lost steps counted, repeated evaluations compared."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.reporting.learning_curve import SessionCurve, stitch
from orchestrator.kernel.reporting.trial_report import CurvePoint


def points(session: str, *steps: int, of: float = 0.0) -> tuple[CurvePoint, ...]:
    return tuple(CurvePoint(steps=step, score=step + of, measures={}, session=session) for step in steps)


def test_a_clean_chain_has_seams_and_wastes_nothing() -> None:
    first = SessionCurve(steps_start=0, steps_seen=250, points=points("s01", 100, 200))
    second = SessionCurve(steps_start=250, steps_seen=400, points=points("s02", 300, 400))
    curve = stitch([first, second])
    assert [point.steps for point in curve.points] == [100, 200, 300, 400]
    assert (curve.seams, curve.wasted_steps, curve.measured_twice) == ((250,), 0, 0)


def test_steps_after_a_killed_sessions_last_save_are_wasted_and_compared() -> None:
    killed = SessionCurve(steps_start=0, steps_seen=390, points=points("s01", 100, 200, 300))
    repeated = SessionCurve(steps_start=150, steps_seen=400, points=points("s02", 200, 300, 400))
    curve = stitch([killed, repeated])
    assert curve.wasted_steps == 240 and curve.seams == (150,)
    assert (curve.measured_twice, curve.measured_otherwise) == (2, 0)
    assert [point.session for point in curve.points] == ["s01", "s02", "s02", "s02"]
    drifted = SessionCurve(steps_start=150, steps_seen=400, points=points("s02", 200, 300, 400, of=0.5))
    assert stitch([killed, drifted]).measured_otherwise == 2


def test_a_session_that_restarts_from_step_0_makes_no_seam() -> None:
    lost = SessionCurve(steps_start=0, steps_seen=90)
    again = SessionCurve(steps_start=0, steps_seen=200, points=points("s02", 100, 200))
    curve = stitch([lost, again])
    assert (curve.seams, curve.wasted_steps) == ((), 90)
    assert stitch([]).points == ()


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=1, max_size=8))
def test_the_trained_steps_are_the_final_steps_plus_the_wasted_steps(moves: list[tuple[int, int]]) -> None:
    """Each session trains some steps and saves some of them; the sum of kept and wasted steps must be exact."""
    curves, at, trained = [], 0, 0
    for steps, unsaved in moves:
        curves.append(
            SessionCurve(steps_start=at, steps_seen=at + steps, points=points("s", *range(at + 1, at + steps + 1)))
        )
        trained += steps
        at += steps - min(steps, unsaved)
    curve = stitch(curves)
    end = curves[-1].steps_start + moves[-1][0]
    assert trained == end + curve.wasted_steps
    assert [point.steps for point in curve.points] == list(range(1, end + 1))
    assert curve.measured_otherwise == 0
