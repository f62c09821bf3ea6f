"""Cuts, traces and the comparison of three trainings."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from orchestrator.core.errors import BadInput
from orchestrator.core.proof.comparison import Finding, Same, compare, not_reproducible, reproducible
from orchestrator.core.proof.cuts import checked_cuts, draw_cuts, trace_steps
from orchestrator.core.proof.ends import OUTPUT, TracePoint, TrainingEnd

GENERATOR = "random generator of python"


def _end(**changed: object) -> TrainingEnd:
    trace = tuple(TracePoint(step=step, parts={"w": f"w{step}", GENERATOR: f"g{step}"}) for step in range(5))
    end = TrainingEnd(steps=4, parts=dict(trace[-1].parts), trace=trace, reports=({"step": 0, "r": 1.0, "t": 5.0},))
    return replace(end, **changed)


def _compare(cut: TrainingEnd, assigned: frozenset[str] = frozenset()):
    return compare(_end(), _end(), cut, cuts=(2,), assigned=assigned)


@pytest.mark.parametrize("seed", range(20))
def test_cuts_are_spread_over_the_training_and_lie_at_boundaries(seed: int) -> None:
    cuts = draw_cuts(random.Random(seed).randrange, cuts=3, steps=100, pass_steps=8)
    assert len(set(cuts)) == 3 and all(step % 8 == 0 and 0 < step < 100 for step in cuts)
    assert draw_cuts(random.Random(seed).randrange, cuts=3, steps=4, pass_steps=1) == (1, 2, 3)


def test_impossible_cuts_are_refused() -> None:
    with pytest.raises(BadInput, match="too few for 3"):
        draw_cuts(random.Random(0).randrange, cuts=3, steps=3, pass_steps=1)
    with pytest.raises(BadInput, match="lies outside"):
        checked_cuts((5,), 5)
    assert checked_cuts((4, 1, 4), 5) == (1, 4)
    assert set(trace_steps((10,))) >= {1, 2, 4, 10, 11, 12, 14, 18}


def test_equal_trainings_are_exact() -> None:
    found = _compare(_end())
    assert (found.finding, found.first, found.grade) == (Finding.EXACT, None, "exact")
    assert set(found.rows.values()) == {Same.EQUAL}


def test_first_difference_comes_from_the_trace() -> None:
    trace = [*_end().trace[:3], TracePoint(step=3, parts={"w": "other", GENERATOR: "g3"})]
    found = _compare(_end(parts={"w": "other", GENERATOR: "g4"}, trace=trace))
    assert found.first is not None and (found.first.part, found.first.step, found.first.resumed_at) == ("w", 3, 2)
    assert (found.finding, found.rows["w"], found.rows[GENERATOR]) == (Finding.DIFFERENT, Same.DIFFERENT, Same.EQUAL)


def test_passing_difference_counts_even_if_the_ends_are_equal() -> None:
    trace = [*_end().trace[:2], TracePoint(step=2, parts={"w": "other"}), *_end().trace[3:]]
    assert _compare(_end(trace=trace)).finding is Finding.DIFFERENT


@pytest.mark.parametrize(
    ("cut", "part"),
    [
        (_end(steps=5), "number of steps"),
        (_end(last_line="other"), OUTPUT),
        (_end(reports=({"step": 0, "r": 2.0, "t": 5.0},)), "r"),
        (_end(reports=()), "number of reports"),
    ],
)
def test_everything_else_counts_too(cut: TrainingEnd, part: str) -> None:
    found = _compare(cut)
    assert found.finding is Finding.DIFFERENT and found.first is not None and found.first.part == part


def test_number_that_varies_without_a_cut_is_not_compared() -> None:
    again = _end(reports=({"step": 0, "r": 1.0, "t": 6.0},))
    found = compare(_end(), again, _end(reports=({"step": 0, "r": 1.0, "t": 7.0},)), cuts=(2,), assigned=frozenset())
    assert (found.finding, found.not_compared) == (Finding.EXACT, ("t",))


def test_unused_generator_needs_no_seed_and_a_used_one_does() -> None:
    def with_generator(start: str, end: str) -> TrainingEnd:
        points = tuple(TracePoint(step=step, parts={GENERATOR: start if step < 4 else end}) for step in range(5))
        return _end(trace=points, parts={GENERATOR: end})

    assert reproducible(with_generator("a", "a"), with_generator("b", "b"))
    assert not reproducible(with_generator("a", "b"), with_generator("c", "d"))
    assert not reproducible(with_generator("a", "a"), with_generator("a", "b"))


def test_lower_grades() -> None:
    assert _compare(_end(lost=("w: an object",))).finding is Finding.NOT_KEPT
    assert _compare(_end(grades=("exact", "statistical"))).finding is Finding.DIFFERENT
    constant = _end(trace=(_end().trace[0], replace(_end().trace[4], parts={"w": "w0", GENERATOR: "g4"})))
    found = compare(constant, constant, constant, cuts=(2,), assigned=frozenset({"w"}))
    assert (found.finding, found.replaced, found.rows["w"]) == (Finding.DIFFERENT, ("w",), Same.NEVER_CHANGES)
    other = not_reproducible(_end(), _end(parts={"w": "x", GENERATOR: "g4"}), hash_order=True)
    assert (other.finding, other.grade, other.hash_order) == (Finding.NOT_REPRODUCIBLE, "statistical", True)
