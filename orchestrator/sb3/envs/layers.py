"""The layers that a lineage declares around its task's environment, in the order of the RL Zoo."""

from __future__ import annotations

from typing import Any

import gymnasium
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv, VecFrameStack, VecNormalize

from orchestrator.kernel.algorithms.hyperparameters import HyperParameters
from orchestrator.kernel.algorithms.policies import wrapper_list
from orchestrator.kernel.outcome import SessionRefused
from orchestrator.sb3.algorithms.words import class_at
from orchestrator.sb3.envs.discrete_to_box import SignActions

_GAMMA = 0.99
"""Discount for the scale of rewards where an algorithm has none: the default of `VecNormalize`."""


def with_layers(env: VecEnv, wanted: HyperParameters) -> VecEnv:
    """Wrap an environment: wrappers of each environment, then of all together, normalization, stacked frames.

    Raises:
        SessionRefused: A class cannot be imported, or the environment is no `DummyVecEnv` and cannot be wrapped inside.
    """
    env = _with_single_wrappers(env, wanted)
    if wanted.entry.only_box and isinstance(env.action_space, gymnasium.spaces.Discrete):
        env = SignActions(env)
    for path, arguments in wrapper_list(wanted.vec_env_wrapper):
        env = class_at(path, "vec_env_wrapper")(env, **arguments)
    plan = wanted.normalization
    if plan is not None:
        env = VecNormalize(env, **{"gamma": wanted.value("gamma") or _GAMMA, **plan.arguments})
    return env if wanted.frame_stack is None else VecFrameStack(env, wanted.frame_stack)


def _with_single_wrappers(env: VecEnv, wanted: HyperParameters) -> VecEnv:
    wrappers = wrapper_list(wanted.env_wrapper)
    if not wrappers:
        return env
    if type(env) is not DummyVecEnv:
        raise SessionRefused(
            f"env_wrapper needs separate environments in a DummyVecEnv; this section builds a {type(env).__name__}",
            remedy="Wrap the environments in the section's own code, or use vec_env_wrapper.",
        )
    kinds = [(class_at(path, "env_wrapper"), arguments) for path, arguments in wrappers]
    wrapped = DummyVecEnv([_builder(one, kinds) for one in env.envs])
    wrapped._seeds, wrapped._options = env._seeds, env._options  # given to the next reset
    return wrapped


def _builder(env: Any, kinds: list[tuple[type[Any], dict[str, Any]]]) -> Any:
    for kind, arguments in kinds:
        env = kind(env, **arguments)
    return lambda: env
