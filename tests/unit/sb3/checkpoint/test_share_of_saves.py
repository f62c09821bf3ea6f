"""Saves of a section take at most two percent of the time, however slow they are."""

from types import SimpleNamespace
from typing import Any

import pytest

from orchestrator.sb3.checkpoint.save import save_is_due
from orchestrator.sb3.training.training_state import LastSave


@pytest.mark.parametrize("took_s", [0.01, 0.4, 0.9, 5.0, 60.0])
def test_saves_take_at_most_two_percent_of_the_time(took_s: float) -> None:
    clock, saves = SimpleNamespace(now_s=0.0), 0
    training: Any = SimpleNamespace(
        record=SimpleNamespace(last_save_steps=0),
        plan=SimpleNamespace(checkpoint_every_steps=10),
        context=SimpleNamespace(monotonic=lambda: clock.now_s),
        last_save=LastSave(ended_s=0.0, took_s=took_s),
        steps=0,
    )
    for _ in range(20_000):
        training.steps += 10
        clock.now_s += took_s / 7
        if save_is_due(training):
            clock.now_s += took_s
            training.record.last_save_steps = training.steps
            training.last_save, saves = LastSave(ended_s=clock.now_s, took_s=took_s), saves + 1
    assert saves > 10
    assert 0.018 < saves * took_s / clock.now_s < 0.02
