"""Where trials stand: what counts as complete, and what another question makes of an answer."""

from __future__ import annotations

from dataclasses import replace

from orchestrator.core.standings import State, related, standing_of
from tests.simulation.campaigns import SMALL, expanded


def test_a_spare_of_one_variant_makes_up_for_no_seed_of_another() -> None:
    _, trials = expanded(SMALL.replace("seeds: 2", "seeds: {completed: 2, spares: 1}"))
    ends = {"main PPO seed 1": (State.FAILED, "section_failed"), "later seed 0": (State.WAITING, "")}
    own = [standing_of(trial, (), live=False, code_digest="", retries={}) for trial in trials]
    found = related(
        [
            replace(one, state=state, why=why)
            for one in own
            for state, why in [ends.get(one.trial.label, (State.DONE, ""))]
            if one.trial.label != "main PPO seed 2"
        ]
    )
    assert {one.trial.label: one.state for one in found}["later seed 0"] is State.CUT_OFF
