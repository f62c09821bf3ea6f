"""What goes wrong when the state of environments is kept carelessly: one test for each."""

from __future__ import annotations

import ctypes
import time
from typing import Any

import gymnasium
import numpy as np
import pygame
import pytest
from gymnasium import wrappers
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, VecFrameStack

from orchestrator.kernel.training.kept_state.decoder import Decoder
from orchestrator.kernel.training.kept_state.encoder import Encoder
from tests.unit.kernel.training.environments import begun, made, restored, saved, stepped


class Empty(gymnasium.Env[Any, Any]):
    """An environment to which each test adds its own attributes."""

    observation_space = gymnasium.spaces.Box(0, 1, (1,), np.float32)
    action_space = gymnasium.spaces.Discrete(2)

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        return np.zeros(1, np.float32), {}

    def step(self, action: Any) -> Any:
        return np.zeros(1, np.float32), 0.0, False, False, {}


def test_shared_objects_stay_shared() -> None:
    """A space and its generator belong to the base and to the vector environment: one graph over the whole stack."""

    def build() -> Any:
        env = gymnasium.vector.SyncVectorEnv([lambda: made("CartPole-v1")] * 2)
        env.envs[1].unwrapped.action_space = env.envs[0].unwrapped.action_space
        return env

    env, fresh = build(), build()
    env.envs[0].unwrapped.action_space.seed(3)
    assert restored(env, fresh) == []
    first, second = (one.unwrapped.action_space for one in fresh.envs)
    assert first is second and first.np_random is second.np_random
    assert [first.sample() for _ in range(9)] == [env.envs[0].unwrapped.action_space.sample() for _ in range(9)]


def test_arrays_over_memory_of_others_are_written_in_place() -> None:
    def build() -> Any:
        env = Empty()
        env.memory = (ctypes.c_double * 3)()
        env.view = np.frombuffer(env.memory, dtype=np.float64)
        return env

    env, fresh = build(), build()
    env.view[:] = (1.0, 2.0, 3.0)
    node, buffers, _ = saved(env)
    Decoder(buffers).part(node, 0, fresh)
    assert list(fresh.memory) == [1.0, 2.0, 3.0]


def _counter() -> Any:
    steps = 0

    def count(seen: Any) -> Any:
        nonlocal steps
        steps += 1
        return seen + steps

    return count


def test_variables_of_closures_are_kept_and_other_code_is_refused() -> None:
    def build(function: Any) -> Any:
        return wrappers.TransformObservation(made("CartPole-v1"), function, None)

    env, fresh = begun(build(_counter()), 5), build(_counter())
    assert restored(env, fresh) == [] and stepped(fresh, 9) == stepped(env, 9)
    node, buffers, _ = saved(env)
    with pytest.raises(ValueError, match=r"the function .*_counter\.<locals>\.count is missing"):
        Decoder(buffers).part(node, 0, build(lambda seen: seen))


def test_structure_that_wrappers_cache_is_no_state() -> None:
    env = VecFrameStack(DummyVecEnv([lambda: Monitor(made("CartPole-v1"))]), 2)
    before = saved(env)[:2]
    assert env.envs[0].spec is not None and env.class_attributes is not None
    env.class_attributes["new"] = object()
    assert saved(env)[:2] == before and saved(env)[2] == []


def test_attributes_that_the_checkpoint_lacks_are_removed() -> None:
    env, fresh = Empty(), Empty()
    fresh.leftover = 3
    assert restored(env, fresh) == [] and not hasattr(fresh, "leftover")


@pytest.mark.parametrize("drawn", [False, True])
def test_generators_of_spaces_that_are_made_late_are_kept(drawn: bool) -> None:
    env, fresh = made("CartPole-v1"), made("CartPole-v1")
    if drawn:
        env.action_space.sample()
    assert restored(env, fresh) == []
    assert (fresh.unwrapped.action_space._np_random is not None) is drawn
    if drawn:
        assert [env.action_space.sample() for _ in range(9)] == [fresh.action_space.sample() for _ in range(9)]


def test_seeds_that_a_generator_has_spawned_are_counted() -> None:
    env, fresh = Empty(), Empty()
    env.rng, fresh.rng = np.random.default_rng(3), np.random.default_rng(3)
    env.rng.spawn(2)
    assert restored(env, fresh) == []
    assert env.rng.spawn(1)[0].random() == fresh.rng.spawn(1)[0].random()


def test_pictures_and_clocks_of_pygame_stay_those_of_the_process() -> None:
    env, fresh = Empty(), Empty()
    env.surface, env.clock = pygame.Surface((4, 4)), pygame.time.Clock()
    fresh.surface, fresh.clock = pygame.Surface((4, 4)), pygame.time.Clock()
    surface, clock = fresh.surface, fresh.clock
    assert restored(env, fresh) == [] and fresh.surface is surface and fresh.clock is clock


def test_wall_times_are_no_state() -> None:
    states = []
    for _ in range(2):
        env = Monitor(wrappers.RecordEpisodeStatistics(made("CartPole-v1")))
        begun(env, 60)
        states.append(saved(env)[:2])
        time.sleep(0.01)
    assert states[0] == states[1]


def test_opaque_object_that_nothing_claims_is_named() -> None:
    env = Empty()
    env.engine = memoryview(bytearray(3))
    assert saved(env)[2] == ["env.engine: an object of builtins:memoryview, which hides its state"]


def test_objects_of_a_library_without_module_names_are_named() -> None:
    """Some C libraries make classes without `__module__`; even a name for the message is not sure."""
    env = begun(made("LunarLander-v3", watched=False), 3)
    encoder = Encoder()
    encoder.part(env.unwrapped.world.this, "world")
    assert encoder.lost and "SwigPyObject" in encoder.lost[0]
