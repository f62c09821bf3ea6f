"""A queue that is kept from tick to tick starts what one would that knows nothing."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import timedelta

import pytest

from orchestrator.core.campaign.trial_status import State, TrialStatus, with_dependencies
from orchestrator.pipeline.campaign.ready_queue import ReadyQueue
from tests.doubles.clock import FakeClock
from tests.simulation.campaigns import expanded

TEXT = """
campaign: small
concurrency: 3
assume: {steps_per_s: 10.0}
trials:
  main:
    section: section_7_6
    seeds: 4
    settings: {profiles.full.target_steps: 700000, profiles.full.deadline_s: 32400.0}
    matrix: {algorithm: [DQN, PPO]}
  later:
    section: section_7_6
    seeds: 3
    settings: {environment.decision_s: 5.0, profiles.full.deadline_s: 32400.0}
    AFTER
"""


@pytest.mark.parametrize("after", ["after: [main]", "priority: 1"])
def test_what_is_kept_between_ticks_changes_nothing(after: str) -> None:
    campaign, trials = expanded(TEXT.replace("AFTER", after))
    draw, clock, kept = random.Random(7), FakeClock(), ReadyQueue(campaign)
    own = [TrialStatus(trial=trial, state=State.WAITING) for trial in trials]
    started = 0
    for _ in range(120):
        for place in draw.sample(range(len(own)), 3):
            own[place] = _moved(own[place], draw, clock)
        standings, now = with_dependencies(own), clock.now()
        fresh = ReadyQueue(campaign)
        (first, dues), (other_first, other_dues) = kept.see(standings, now), fresh.see(standings, now)
        assert first is other_first
        assert sorted(dues) == sorted(other_dues)
        longest_s = draw.choice([None, None, None, 20_000.0])
        least = draw.randint(1, 4)  # a tick looks at one more than it starts
        for _, load, other in zip(range(least), kept.in_order(longest_s), fresh.in_order(longest_s), strict=False):
            assert load == other
            started += 1
        clock.sleep(draw.choice([60.0, 4000.0]))
    assert started > 100


def _moved(one: TrialStatus, draw: random.Random, clock: FakeClock) -> TrialStatus:
    """Where a trial may stand next: it runs, has trained further, rests, or is over; some begin anew."""
    state = draw.choice([State.WAITING, State.WAITING, State.WAITING, State.LIVE, State.DONE, State.FAILED])
    if one.state.final and draw.random() < 0.5:
        return TrialStatus(trial=one.trial, state=State.WAITING)
    return replace(
        one,
        state=state,
        steps_done=one.steps_done + draw.choice([0, 50_000]),
        sessions=one.sessions + 1,
        wall_s=one.wall_s + draw.uniform(3000.0, 9000.0),
        trained_steps=one.trained_steps + 50_000,
        due_at=draw.choice([None, clock.now() + timedelta(seconds=3000)]) if state is State.WAITING else None,
    )
