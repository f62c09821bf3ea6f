"""Environments of the libraries that the tests install: built, stepped, saved and restored into a fresh copy."""

from __future__ import annotations

import json
import warnings
from typing import Any

import numpy as np

from orchestrator.kernel.training.kept_state.decoder import Decoder
from orchestrator.kernel.training.kept_state.encoder import Encoder
from orchestrator.kernel.training.kept_state.watching import watch

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import ale_py
    import gymnasium
    import highway_env  # noqa: F401 - registers its environments
    import minigrid  # noqa: F401 - registers its environments

gymnasium.register_envs(ale_py)


def made(name: str, *, watched: bool = True, **arguments: Any) -> Any:
    """A fresh environment, prepared as at the start of a training."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        env = gymnasium.make(name, **arguments)
    if watched:
        watch(env)
    return env


def begun(env: Any, steps: int, *, seed: int = 3) -> Any:
    """The environment after a seeded reset and some random steps."""
    env.action_space.seed(4)
    env.reset(seed=seed)
    stepped(env, steps)
    return env


def stepped(env: Any, steps: int, *, actions: list[Any] | None = None) -> list[Any]:
    """Everything that further steps return, with resets; without wall times."""
    found = []
    for number in range(steps):
        action = env.action_space.sample() if actions is None else actions[number]
        seen, reward, ended, truncated, info = env.step(action)
        found.append((_plain(seen), np.float64(reward).tobytes(), bool(ended), bool(truncated), _plain(info)))
        if ended or truncated:
            found.append(_plain(env.reset()))
    return found


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return repr({name: _plain(item) for name, item in value.items() if name not in ("episode", "seeds")})
    if isinstance(value, tuple | list):
        return repr([_plain(item) for item in value])
    return value.tobytes().hex() if isinstance(value, np.ndarray) else repr(value)


def saved(env: Any) -> tuple[Any, list[bytes], list[str]]:
    """JSON, buffers, and what is lost."""
    encoder = Encoder()
    node = json.loads(json.dumps(encoder.part(env, "env"), allow_nan=False))
    return node, encoder.buffers, encoder.lost


def restored(env: Any, fresh: Any) -> list[str]:
    """Restore one environment into another one; returns what is lost."""
    node, buffers, lost = saved(env)
    assert Decoder(buffers).part(node, 0, fresh) is fresh
    if not lost:
        assert saved(fresh)[:2] == (node, buffers)
    return lost
