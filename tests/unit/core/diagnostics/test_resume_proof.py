"""How the cuts of a chain are drawn, and how its end is judged."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.diagnostics.resume_proof import (
    CutPlan,
    End,
    Finding,
    Proof,
    default_steps,
    draw_cuts,
    max_abs_difference,
    table,
)
from orchestrator.core.errors import BadInput

PLAN = CutPlan(target_steps=100, orderly=(20,), kill_session=2, kill_at_steps=65, save_every_steps=10)
ITEMS = {"policy": "a" * 64, "optimizer": "b" * 64, "numpy_rng": "c" * 64}
STRAIGHT = End(name="straight", steps=100, items=ITEMS, weights=(1.0, 2.0))
CONTROL = End(name="plain", steps=100, items={**ITEMS, "policy": "d" * 64}, weights=(1.0, 2.5))
PROOF = Proof(
    algorithm="DQN",
    plan=PLAN,
    straight=STRAIGHT,
    chain=replace(STRAIGHT, name="chain"),
    controls=(CONTROL,),
    sessions=3,
    went_on_from=60,
)


@given(st.integers(0, 10_000), st.integers(1, 6), st.sampled_from([(20, 20), (4096, 64), (160, 32)]))
def test_cuts_lie_inside_the_training_and_one_session_is_killed(seed: int, cuts: int, sizes: tuple[int, int]) -> None:
    rollout_steps, n_envs = sizes
    target_steps = default_steps(rollout_steps, cuts)
    plan = draw_cuts(
        random.Random(seed).randrange,
        cuts=cuts,
        target_steps=target_steps,
        rollout_steps=rollout_steps,
        n_envs=n_envs,
    )
    assert plan.sessions == cuts + 1 and len(plan.orderly) == cuts - 1
    assert all(0 < steps < target_steps and steps % rollout_steps == 0 for steps in plan.orderly)
    assert 0 < plan.kill_at_steps < target_steps and plan.save_every_steps % rollout_steps == 0
    assert plan.kill_at_steps % n_envs == 0
    before = [steps for steps in plan.orderly if steps <= plan.kill_at_steps]
    assert plan.kill_session == len(before) + 1


def test_the_same_seed_draws_the_same_cuts() -> None:
    def plan(seed: int) -> CutPlan:
        draw = random.Random(seed).randrange
        return draw_cuts(draw, cuts=3, target_steps=10_000, rollout_steps=20, n_envs=20)

    assert plan(1) == plan(1) != plan(2)


@pytest.mark.parametrize(("cuts", "target_steps"), [(0, 1000), (3, 300), (1, 1050)])
def test_too_many_cuts_are_refused(cuts: int, target_steps: int) -> None:
    with pytest.raises(BadInput, match=r"cannot be cut .* time"):
        draw_cuts(random.randrange, cuts=cuts, target_steps=target_steps, rollout_steps=100, n_envs=10)


def test_equal_needs_every_part_equal_and_every_control_different() -> None:
    assert PROOF.finding is Finding.EQUAL
    assert replace(PROOF, chain=replace(STRAIGHT, items={**ITEMS, "numpy_rng": "e"})).finding is Finding.DIFFERENT
    assert replace(PROOF, chain=replace(STRAIGHT, steps=90)).differing == ("steps",)
    assert replace(PROOF, chain=replace(STRAIGHT, items={"policy": "a" * 64})).differing == ("numpy_rng", "optimizer")
    assert replace(PROOF, faults=("the straight training saved a.zip",)).finding is Finding.DIFFERENT


def test_a_control_with_the_same_policy_makes_the_proof_undecided() -> None:
    equal_control = replace(CONTROL, items=ITEMS)
    assert replace(PROOF, controls=(CONTROL, equal_control)).finding is Finding.CANNOT_TELL
    assert replace(PROOF, controls=()).finding is Finding.CANNOT_TELL


def test_the_largest_difference_between_weights() -> None:
    assert max_abs_difference((1.0, 2.0), (1.5, 1.0)) == 1.0
    assert max_abs_difference((1.0,), (1.0, 2.0)) is None
    assert max_abs_difference((float("nan"),), (1.0,)) == float("inf")


def test_the_table_shows_for_each_part_whether_it_is_equal() -> None:
    lines = [line.split() for line in table(PROOF)]
    assert lines[0] == ["straight", "chain", "plain"]
    assert lines[1] == ["policy", "aaaaaaaa", "aaaaaaaa", "equal", "dddddddd", "different"]
    assert lines[3] == ["numpy_rng", "cccccccc", "cccccccc", "equal", "cccccccc", "equal"]
    assert lines[4] == ["max", "|dw|", "0", "0", "0.5"]
    assert lines[5] == ["steps", "100", "100", "100"]
