"""Environments of gymnasium in `keep`: a restored copy takes the same further steps as the one that was saved."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium import wrappers
from gymnasium.wrappers import vector as vector_wrappers

from orchestrator.kernel.training.kept_state.decoder import Decoder
from orchestrator.kernel.training.kept_state.encoder import Encoder
from orchestrator.kernel.training.kept_state.kept import Kept


class Walk(gymnasium.Env[Any, Any]):
    """An environment of a user's script, with state in several types and a generator made at the first reset."""

    def __init__(self) -> None:
        self.observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (2,), np.float32)
        self.action_space = gymnasium.spaces.Discrete(2)
        self.seen: dict[str, list[float]] = {}

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.place = self.np_random.normal(size=2).astype(np.float32)  # an attribute that a fresh one lacks
        return self.place.copy(), {}

    def step(self, action: Any) -> Any:
        self.place[int(action)] += self.np_random.normal()
        self.seen.setdefault(str(int(action)), []).append(float(self.place[0]))
        return self.place.copy(), float(self.place.sum()), bool(abs(self.place[0]) > 3), False, {}


def _cart() -> gymnasium.Env[Any, Any]:
    return gymnasium.make("CartPole-v1", max_episode_steps=12)


def _pendulum() -> gymnasium.Env[Any, Any]:
    return gymnasium.make("Pendulum-v1", max_episode_steps=9)


def _several() -> list[Callable[[], gymnasium.Env[Any, Any]]]:
    return [lambda: wrappers.RecordEpisodeStatistics(_cart()) for _ in range(3)]


SINGLE: dict[str, Callable[[], gymnasium.Env[Any, Any]]] = {
    "cart": _cart,
    "pendulum": _pendulum,
    "taxi": lambda: gymnasium.make("Taxi-v4"),
    "blackjack": lambda: gymnasium.make("Blackjack-v1"),
    "acrobot": lambda: gymnasium.make("Acrobot-v1", max_episode_steps=20),
    "statistics": lambda: wrappers.RecordEpisodeStatistics(_cart()),
    "observations": lambda: wrappers.NormalizeObservation(_cart()),
    "rewards": lambda: wrappers.NormalizeReward(_cart()),
    "frames": lambda: wrappers.FrameStackObservation(_cart(), 3),
    "delayed": lambda: wrappers.DelayObservation(_cart(), 2),
    "sticky": lambda: wrappers.StickyAction(_cart(), 0.3),
    "limit": lambda: wrappers.TimeLimit(Walk(), 7),
    "clipped": lambda: wrappers.ClipAction(_pendulum()),
    "rescaled": lambda: wrappers.RescaleAction(_pendulum(), -1, 1),
    "function": lambda: wrappers.TransformObservation(_cart(), lambda seen: seen * 2, None),
    "stacked": lambda: wrappers.NormalizeReward(wrappers.NormalizeObservation(wrappers.ClipAction(_pendulum()))),
    "autoreset": lambda: wrappers.Autoreset(_cart()),
    "own": Walk,
}
VECTOR: dict[str, Callable[[], Any]] = {
    "sync": lambda: gymnasium.vector.SyncVectorEnv(_several()),
    "same step": lambda: gymnasium.vector.SyncVectorEnv(
        _several(), autoreset_mode=gymnasium.vector.AutoresetMode.SAME_STEP
    ),
    "make_vec": lambda: gymnasium.make_vec("CartPole-v1", num_envs=3, vectorization_mode="sync"),
    "its own": lambda: gymnasium.make_vec("CartPole-v1", num_envs=3, vectorization_mode="vector_entry_point"),
    "statistics": lambda: vector_wrappers.RecordEpisodeStatistics(gymnasium.vector.SyncVectorEnv([_cart] * 3)),
    "observations": lambda: vector_wrappers.NormalizeObservation(gymnasium.vector.SyncVectorEnv(_several())),
    "rewards": lambda: vector_wrappers.NormalizeReward(gymnasium.vector.SyncVectorEnv(_several())),
}


def _run(env: Any, steps: int) -> list[Any]:
    """Steps with actions of the action space, whose generator belongs to the state."""
    found = []
    for _ in range(steps):
        seen, reward, ended, truncated, info = env.step(env.action_space.sample())
        info = {name: value for name, value in info.items() if name not in ("episode", "final_info")}  # wall times
        found.append(repr((np.asarray(seen).tobytes(), np.asarray(reward).tobytes(), ended, truncated, info)))
        if np.ndim(ended) == 0 and (ended or truncated) and not isinstance(env, wrappers.Autoreset):
            found.append(repr(env.reset()))
    return found


def restored(saved: Any, fresh: Any) -> Any:
    """What was saved, restored into a fresh copy; captured again it is the same."""
    before, again = Encoder(), Encoder()
    node = json.loads(json.dumps(before.part(saved, "env"), allow_nan=False))
    assert before.lost == []
    found = Decoder(before.buffers).part(node, 0, fresh)
    assert (json.loads(json.dumps(again.part(found, "env"))), again.buffers) == (node, before.buffers)
    return found


@pytest.mark.parametrize("steps", [0, 5, 31])
@pytest.mark.parametrize(
    "make", [*SINGLE.values(), *VECTOR.values()], ids=[*SINGLE, *(f"vector {one}" for one in VECTOR)]
)
def test_restored_environment_continues(make: Callable[[], Any], steps: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        env, fresh = make(), make()
        env.reset(seed=3)
        env.action_space.seed(4)
        _run(env, steps)
        assert restored(env, fresh) is fresh
        assert _run(fresh, 40) == _run(env, 40)


def test_space_and_its_generator_are_shared_by_environment_and_script() -> None:
    def make() -> dict[str, Any]:
        env = gymnasium.vector.SyncVectorEnv(_several())
        return {"env": env, "space": env.single_action_space, "rng": env.single_action_space.np_random}

    saved, current = make(), make()
    saved["rng"].random(3)
    kept, again = Kept(), Kept()
    kept._add(saved)
    again._add(current)
    parts, buffers, lost = kept._capture()
    assert lost == []
    decoder = Decoder(buffers)
    for name, part in parts.items():
        assert decoder.part(part["value"], part["first"], current[name]) is current[name]
    assert current["env"].envs[0].action_space is current["space"]
    assert current["space"].sample() == saved["space"].sample()
    assert current["rng"].random() == saved["rng"].random()


def test_environments_in_other_processes_are_named() -> None:
    env = gymnasium.vector.AsyncVectorEnv([_cart])
    try:
        encoder = Encoder()
        encoder.part(vector_wrappers.RecordEpisodeStatistics(env), "envs")
    finally:
        env.close()
    assert encoder.lost == ["envs.env: its environments are in other processes; use SyncVectorEnv"]
