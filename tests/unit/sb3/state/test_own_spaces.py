"""A restored model has the observation space that it had when it was saved, also if its environment had another."""

from typing import Any

import gymnasium
import numpy as np
import pytest
from stable_baselines3 import A2C

from orchestrator.sb3.state.rng_state import capture_generator
from orchestrator.sb3.state.training_state_io import capture_state, environment_of, restore_state


class Sampling(gymnasium.Env[Any, Any]):
    """Draws its observations from its observation space, which it may replace by a wider one at each reset."""

    def __init__(self, *, replaces: bool) -> None:
        self.replaces, self.action_space = replaces, gymnasium.spaces.Discrete(2)
        self.observation_space = gymnasium.spaces.Box(-1, 1, (1,))
        self.observation_space.seed(3)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        if self.replaces:
            self.observation_space = gymnasium.spaces.Box(-2, 2, (1,))
            self.observation_space.seed(4)
        return self.observation_space.sample(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        return self.observation_space.sample(), 0.0, False, False, {}


def _model(replaces: bool) -> A2C:
    return A2C("MlpPolicy", Sampling(replaces=replaces), n_steps=4, seed=1, device="cpu")


def _space(model: A2C) -> tuple[Any, ...]:
    space: Any = model.observation_space
    return space.low.tolist(), space.high.tolist(), capture_generator(space.np_random)


@pytest.mark.parametrize("replaces", [True, False])
def test_the_observation_space_is_that_of_the_saved_model(replaces: bool) -> None:
    model, resumed = _model(replaces), _model(replaces)
    model.learn(8)
    tree = capture_state(model)
    assert ("own_space" in tree["last"]) == replaces
    for _ in range(2):  # a script restores a second time when `learn` begins
        restore_state(resumed, tree)
        assert _space(resumed) == _space(model)
    one, other = (
        np.ravel([environment_of(found).step(np.array([0]))[0] for _ in range(3)]) for found in (model, resumed)
    )
    assert np.array_equal(one, other)
