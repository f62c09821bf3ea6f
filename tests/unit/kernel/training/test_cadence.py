"""Saves by time: at most two percent of the time, however slow they are."""

from __future__ import annotations

import pytest

from orchestrator.kernel.training.cadence import SAVES_APART_S, SaveCadence


@pytest.mark.parametrize("took_s", [0.01, 0.4, 0.9, 5.0, 60.0])
def test_saves_by_time_take_at_most_two_percent_at_any_moment(took_s: float) -> None:
    now_s, saves_s, shares = 0.0, [0.0], []
    cadence = SaveCadence(None, start=0, monotonic=lambda: now_s)
    for step in range(60_000):
        now_s += 0.5
        if cadence.is_due(step):
            assert now_s - saves_s[-1] >= SAVES_APART_S
            now_s += took_s
            saves_s.append(now_s)
            cadence.saved(took_s)
        shares.append((now_s, (len(saves_s) - 1) * took_s / now_s))
    # Nothing is known before the first save, so one save alone may take more of the first minutes.
    assert max(share for at_s, share in shares if at_s > 50 * took_s) <= 0.0201
    assert shares[-1][1] > 0.9 * min(0.02, took_s / (SAVES_APART_S + took_s))


def test_a_slow_save_waits_although_earlier_ones_were_quick() -> None:
    now_s = 0.0
    cadence = SaveCadence(None, start=0, monotonic=lambda: now_s)
    for took_s in (*[0.001] * 1000, 10.0):
        now_s += SAVES_APART_S
        assert cadence.is_due(1)
        cadence.saved(took_s)
    now_s += 499.0
    assert not cadence.is_due(1)
    now_s += 2.0
    assert cadence.is_due(1)
