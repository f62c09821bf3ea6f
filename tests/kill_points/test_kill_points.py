"""A kill at any point loses nothing and repeats nothing; the points are counted in two ways."""

from __future__ import annotations

import pytest

from tests.kill_points.__main__ import proven
from tests.kill_points.scenarios import SCENARIOS, Size

POINTS: dict[str, int] = {}


@pytest.mark.parametrize("size", SCENARIOS, ids=lambda size: size.kind.name)
def test_a_kill_at_any_point_loses_and_repeats_nothing(size: Size) -> None:
    row = proven(size, pairs=0, every=size.fast)
    assert row.faults == []
    seen, second = row.both_counts()
    assert seen == second, "a side effect that is no kill point"
    assert row.points == POINTS[row.name], "enter the new number after a look at the new side effects"


@pytest.mark.prove
@pytest.mark.parametrize("size", SCENARIOS, ids=lambda size: size.kind.name)
def test_two_kills_in_a_row_lose_and_repeat_nothing(size: Size) -> None:
    assert proven(size, pairs=size.pairs).faults == []
