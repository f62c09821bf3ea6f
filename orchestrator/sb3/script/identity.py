"""What a model of a script is, read from the model itself: its later sessions must build the same one."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import gymnasium
import numpy as np
import torch
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.noise import ActionNoise
from stable_baselines3.common.type_aliases import TrainFreq
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnvWrapper

from orchestrator.kernel.checkpoint.card import CheckpointCard
from orchestrator.kernel.environment.libraries import library_versions
from orchestrator.sb3.envs.arguments import describe_arguments
from orchestrator.sb3.envs.wrappers import acts_through
from orchestrator.sb3.script.schedules import SCHEDULES, values_of
from orchestrator.sb3.state.identity import describe_space, machine_of
from orchestrator.sb3.state.policy_digest import policy_digest
from orchestrator.sb3.state.training_state_io import environment_of

_NOT_COMPARED = frozenset(
    {
        *("self", "policy", "env", "device", "verbose", "tensorboard_log", "stats_window_size", "monitor_wrapper"),
        *("support_multi_env", "supported_action_spaces", "_init_setup_model", "args", "kwargs"),
    }
)
_ASKED_AT = (1.0, 0.75, 0.5, 0.25, 0.0)


def describe_model(model: BaseAlgorithm) -> dict[str, Any]:
    """The keys of an identity that describe a model, as plain JSON."""
    env = environment_of(model)
    through = acts_through(env)
    return {
        "observation_space": describe_space(model.observation_space),
        "action_space": describe_space(model.action_space),
        "model": {"algorithm": type(model).__name__, "policy": type(model.policy).__name__, "weights": _weights(model)},
        "arguments": arguments_of(model),
        "versions": dict(library_versions()),
        "device_class": model.device.type,
        "machine": machine_of(model),
        "threads": torch.get_num_threads(),
        "env_arguments": describe_arguments(env),
        "policy_digest": policy_digest(model.policy),
        **({"acts_through": list(through)} if through else {}),
    }


def network_of(model: BaseAlgorithm) -> list[Any]:
    """Sizes of the hidden layers, as far as the policy states them."""
    found = getattr(model.policy, "net_arch", None)
    if isinstance(found, dict):
        return [f"{name}: {sizes}" for name, sizes in found.items()]
    return list(found) if isinstance(found, list | tuple) else []


def other_threads(card: CheckpointCard | None) -> str | None:
    """Why a resume is not exact with this number of torch's threads; asked when `learn` runs, since scripts set it."""
    before, now = (card.identity.get("threads") if card else None), torch.get_num_threads()
    if before in (None, now):
        return None
    return f"threads of torch: checkpoint={before}, current={now}"


def _weights(model: BaseAlgorithm) -> list[str]:
    tensors = model.policy.state_dict()
    return [f"{name} {'x'.join(map(str, tensors[name].shape))}" for name in tensors]


def arguments_of(model: BaseAlgorithm) -> dict[str, Any]:
    """The arguments of a model by name, as plain JSON, as far as their values agree in every process."""
    names = {name for kind in type(model).__mro__ if kind is not object for name in _parameters(kind)}
    found = {name: _plain(getattr(model, name)) for name in sorted(names - _NOT_COMPARED) if hasattr(model, name)}
    found |= {name: _plain(getattr(model, name)) for name in SCHEDULES if hasattr(model, name)}
    found.pop("learning_rate", None)  # its schedule says the same
    known = {name: value for name, value in found.items() if value is not _UNKNOWN}
    return {**known, "n_envs": model.n_envs, "env": " ".join(_layers(environment_of(model)))}


def _parameters(kind: type) -> Iterator[str]:
    if "__init__" in vars(kind):
        yield from inspect.signature(kind.__init__).parameters  # type: ignore[misc]  # only its signature is read


_UNKNOWN = object()


def _plain(value: Any) -> Any:
    """A value as JSON; `_UNKNOWN` if its text would differ between two processes."""
    if isinstance(value, TrainFreq):
        return f"{value.frequency} {value.unit.value}"
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if np.isfinite(value) else repr(value)
    if isinstance(value, list | tuple):
        items = [_plain(one) for one in value]
        return _UNKNOWN if _UNKNOWN in items else items
    if isinstance(value, dict):
        return {str(name): one for name, item in value.items() if (one := _plain(item)) is not _UNKNOWN}
    if isinstance(value, type):
        return value.__qualname__
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, ActionNoise):
        return repr(value) if " at 0x" not in repr(value) else type(value).__qualname__
    if callable(value):
        return values if (values := values_of(value, _ASKED_AT)) else _UNKNOWN
    return _UNKNOWN


def _layers(env: Any) -> Iterator[str]:
    """Names of the environment's layers, outermost first."""
    while isinstance(env, VecEnvWrapper):
        yield type(env).__name__
        env = env.venv
    yield type(env).__name__
    one = env.envs[0] if isinstance(env, DummyVecEnv) else None
    while isinstance(one, gymnasium.Wrapper):
        yield type(one).__name__
        one = one.env
    if one is not None:
        yield type(one).__name__
