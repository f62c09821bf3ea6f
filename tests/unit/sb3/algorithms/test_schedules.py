from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_world import TinyVecEnv, tiny_spec

from orchestrator.kernel.algorithms.plans import LinearPlan
from orchestrator.sb3.algorithms.classes import absolute_step_class
from orchestrator.sb3.algorithms.schedules import as_schedule
from orchestrator.sb3.training.factory import build_model
from orchestrator.sb3.training.training_spec import TrainingSpec

AbsoluteStepDQN = absolute_step_class("DQN")
RATE = LinearPlan(start=5e-4, end=1e-4, over_steps=200_000)
EXPLORATION = LinearPlan(start=1.0, end=0.02, over_steps=15_000)


def expected(plan: LinearPlan, steps: int) -> float:
    share = min(1.0, steps / plan.over_steps)
    return plan.start + share * (plan.end - plan.start)


def model() -> Any:
    dqn = build_model(TrainingSpec.from_json(tiny_spec()).lineage, TinyVecEnv(4, 7), device="cpu")
    assert isinstance(dqn, AbsoluteStepDQN)
    return dqn


@given(steps=st.integers(0, 400_000), target_steps=st.integers(1, 10**7))
def test_a_schedule_depends_only_on_the_absolute_step(steps: int, target_steps: int) -> None:
    horizon_steps = 200_000
    model_without_network = AbsoluteStepDQN.__new__(AbsoluteStepDQN)  # the progress does not depend on the network
    model_without_network.horizon_steps = horizon_steps
    model_without_network._update_current_progress_remaining(steps, target_steps)
    for plan in (RATE, EXPLORATION):
        schedule: Any = as_schedule(plan, horizon_steps)
        value = schedule(model_without_network._current_progress_remaining)
        assert value == pytest.approx(expected(plan, steps), rel=1e-9, abs=1e-12)


def test_the_model_uses_the_declared_schedules() -> None:
    model_without_network = model()
    model_without_network.learn(600)
    assert model_without_network.exploration_rate == pytest.approx(1.0 - 0.8 * 600 / 1500)
    assert model_without_network.policy.optimizer.param_groups[0]["lr"] == pytest.approx(5e-3 - 4e-3 * 600 / 3000)
    model_without_network.learn(1200, reset_num_timesteps=False)
    assert model_without_network.exploration_rate == 0.2
    assert model_without_network.policy.optimizer.param_groups[0]["lr"] == pytest.approx(5e-3 - 4e-3 * 1800 / 3000)


@pytest.mark.parametrize("over_steps", [0, -5])
def test_a_schedule_over_no_steps_is_refused(over_steps: int) -> None:
    with pytest.raises(ValueError, match="over_steps must be above 0 and finite, not"):
        LinearPlan(start=1.0, end=0.0, over_steps=over_steps)
