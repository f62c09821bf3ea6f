"""State that only some algorithms have: gSDE's matrices, and attributes of algorithms that are not known by name.

What hides its state cannot be captured; `lost_of_algorithm` names it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.distributions import StateDependentNoiseDistribution
from stable_baselines3.common.noise import VectorizedActionNoise
from stable_baselines3.common.utils import FloatSchedule
from stable_baselines3.common.vec_env import VecEnvWrapper
from stable_baselines3.her import HerReplayBuffer

from orchestrator.kernel.training.kept_state.objects.places import of_this_session
from orchestrator.sb3.algorithms.action_noise import KNOWN_NOISES
from orchestrator.sb3.algorithms.schedules import AbsoluteSteps
from orchestrator.sb3.envs.attributes import Capture, Restore
from orchestrator.sb3.state.sb3_zip import own_state

_COMPLETE = frozenset({"PPO", "A2C", "DQN", "SAC", "TD3", "DDPG", "QRDQN", "TQC", "TRPO"})
"""Algorithms of which every other section together is the whole state."""
_ELSEWHERE = frozenset(
    {
        # Built again, or given by another section.
        *("policy", "policy_class", "policy_kwargs", "env", "_vec_normalize_env", "observation_space", "action_space"),
        *("device", "action_noise", "replay_buffer", "rollout_buffer", "ep_info_buffer", "ep_success_buffer"),
        *("num_timesteps", "_n_updates", "_episode_num", "_n_calls", "exploration_rate"),
        *("_last_obs", "_last_episode_starts", "_last_original_obs"),
        # Arguments and schedules.
        *("learning_rate", "lr_schedule", "clip_range", "clip_range_vf", "exploration_schedule"),
        *("acts_through", "acts_by_its_policy"),
        # Of one process, or of one call of `learn`.
        *("start_time", "tensorboard_log", "verbose", "_logger", "_custom_logger"),
        *("_total_timesteps", "_num_timesteps_at_start", "_current_progress_remaining"),
    }
)
_MATRICES = ("exploration_mat", "exploration_matrices")


def has_own_attributes(model: BaseAlgorithm) -> bool:
    """Whether the algorithm has attributes that only it has: those of the registry for a model of a card.

    Of a script's model that is not known by name, each attribute may be state.
    """
    kind = type(model)
    if isinstance(model, AbsoluteSteps):
        return bool(own_state(model))
    known = kind.__module__.partition(".")[0] in ("stable_baselines3", "sb3_contrib") and kind.__name__ in _COMPLETE
    return not known


def capture_own(model: BaseAlgorithm) -> list[list[Any]]:
    """The attributes of an algorithm that no other section captures."""
    return _own_of(model)[0]


def restore_own(model: BaseAlgorithm, tree: list[list[Any]]) -> None:
    """Restore the attributes of `capture_own`; others, such as the folder of the curves, are this session's.

    Raises:
        ValueError: They do not fit.
    """
    restore = Restore(outside_of(model), lenient=True)
    for name, node in tree:
        value, now = restore.decode(node, vars(model).get(name)), vars(model).get(name)
        if name not in _ELSEWHERE:
            vars(model)[name] = of_this_session(model, name, now, value)


def lost_of_algorithm(model: BaseAlgorithm) -> tuple[str, ...]:
    """State of an algorithm, its replay buffer and its action noise that cannot be saved, one sentence each."""
    lost: list[str] = []
    if has_own_attributes(model):
        lost += _own_of(model)[1]
    buffer = getattr(model, "replay_buffer", None)
    if buffer is not None and not is_known_buffer(buffer):
        capture = Capture(outside_of(model))
        capture.attributes(_without_empty_infos(buffer), type(buffer).__name__)
        lost += capture.lost
    if not has_known_noise(model):
        capture = Capture(outside_of(model))
        capture.encode(getattr(model, "action_noise", None), "action_noise")
        lost += capture.lost
    return tuple(lost)


def _own_of(model: BaseAlgorithm) -> tuple[list[list[Any]], list[str]]:
    state_dicts, variables = model._get_torch_save_params()
    saved = {id(_at(model, path)) for path in (*state_dicts, *variables)}
    saved |= {id(module) for module in model.policy.modules()}
    capture, tree = Capture(outside_of(model)), []
    if isinstance(model, AbsoluteSteps):
        return [[name, capture.encode(getattr(model, name), name)] for name in own_state(model)], capture.lost
    for name, value in vars(model).items():
        if name in _ELSEWHERE or id(value) in saved or isinstance(value, FloatSchedule):
            continue
        place = f"{type(model).__name__}.{name}"
        if isinstance(value, torch.nn.Module | torch.optim.Optimizer):
            tree.append([name, capture.lose(place, "it is not among the parameters that the algorithm saves")])
        else:
            tree.append([name, capture.encode(value, place)])
    return tree, capture.lost


def outside_of(model: BaseAlgorithm) -> dict[str, Any]:
    """Objects that attributes of an algorithm, a buffer or a callback refer to, and that are captured elsewhere."""
    outside: dict[str, Any] = {"model": model, "policy": model.policy, "logger": getattr(model, "_logger", None)}
    env, depth = model.env, 0
    while env is not None:
        outside[f"env{depth}"] = env
        env, depth = (env.venv, depth + 1) if isinstance(env, VecEnvWrapper) else (None, depth)
    spaces = {"observation_space": model.observation_space, "action_space": model.action_space}
    return {name: value for name, value in {**outside, **spaces}.items() if value is not None}


def is_known_buffer(buffer: Any) -> bool:
    """Whether `capture_replay` knows the arrays of a replay buffer."""
    return type(buffer) is ReplayBuffer and not buffer.optimize_memory_usage


def capture_buffer(model: BaseAlgorithm) -> dict[str, Any]:
    """The attributes of a replay buffer of another kind; arrays only up to the newest row.

    Raises:
        ValueError: There is no replay buffer.
    """
    buffer = _buffer(model)
    filled = _filled_of(buffer)
    tree = Capture(outside_of(model)).attributes(_without_empty_infos(buffer), type(buffer).__name__)
    for _, node in tree:
        for one in _arrays(node):
            if filled < buffer.buffer_size and one["of"].shape[:1] == (buffer.buffer_size,):
                one["of"], one["rows"] = one["of"][: filled + 1].copy(), buffer.buffer_size
    return {"attributes": tree}


def restore_buffer(model: BaseAlgorithm, tree: dict[str, Any]) -> None:
    """Restore a replay buffer of another kind.

    Raises:
        ValueError: It does not fit.
    """
    buffer = _buffer(model)
    Restore(outside_of(model)).attributes(buffer, _grown(tree["attributes"]))
    if isinstance(buffer, HerReplayBuffer) and len(buffer.infos) < buffer.buffer_size:
        short = buffer.infos
        buffer.infos = np.array([[{} for _ in range(buffer.n_envs)] for _ in range(buffer.buffer_size)])
        buffer.infos[: len(short)] = short


def _without_empty_infos(buffer: Any) -> Any:
    """A replay buffer for a capture: the infos of a `HerReplayBuffer` are objects, one for each unused row too."""
    if not isinstance(buffer, HerReplayBuffer):
        return buffer
    used = _filled_of(buffer) if buffer.copy_info_dict else 0
    seen = object.__new__(type(buffer))
    vars(seen).update(vars(buffer), infos=buffer.infos[:used])
    return seen


def _grown(node: Any) -> Any:
    """A node with its shortened arrays at full length; the unused rows are zero, as in a new buffer."""
    if isinstance(node, list):
        return [_grown(one) for one in node]
    if not isinstance(node, dict):
        return node
    if "rows" in node:
        short = node["of"]
        whole = np.zeros((node["rows"], *short.shape[1:]), dtype=short.dtype)
        whole[: len(short)] = short
        return {**node, "of": whole}
    return {name: _grown(one) for name, one in node.items()}


def _arrays(node: Any) -> list[dict[str, Any]]:
    if isinstance(node, list):
        return [found for one in node for found in _arrays(one)]
    if not isinstance(node, dict):
        return []
    return [node] if node.get("is") == "array" else [found for one in node.values() for found in _arrays(one)]


def _buffer(model: BaseAlgorithm) -> Any:
    buffer = getattr(model, "replay_buffer", None)
    if buffer is None:
        raise ValueError("the model has no replay buffer")
    return buffer


def _filled_of(buffer: Any) -> int:
    return int(buffer.buffer_size if buffer.full else buffer.pos)


def has_known_noise(model: BaseAlgorithm) -> bool:
    """Whether `capture_noise` knows every part of the action noise."""
    noise = getattr(model, "action_noise", None)
    parts = noise.noises if isinstance(noise, VectorizedActionNoise) else [noise]
    return noise is None or all(type(part) in KNOWN_NOISES for part in parts)


def capture_matrices(model: BaseAlgorithm) -> dict[str, Any]:
    """The matrices that gSDE drew last: a rollout begins with them, drawn before any callback runs."""
    noise = noise_distribution(model)
    return {name: getattr(noise, name).detach().cpu().numpy().copy() for name in _MATRICES if hasattr(noise, name)}


def restore_matrices(model: BaseAlgorithm, tree: dict[str, Any]) -> None:
    """Restore gSDE's matrices."""
    noise = noise_distribution(model)
    for name, values in tree.items():
        setattr(noise, name, torch.from_numpy(np.array(values)).to(model.device))


def noise_distribution(model: BaseAlgorithm) -> StateDependentNoiseDistribution | None:
    """The distribution of gSDE, None if the model does not use it."""
    owner = getattr(model.policy, "actor", None) or model.policy
    found = getattr(owner, "action_dist", None)
    return found if isinstance(found, StateDependentNoiseDistribution) else None


def _at(model: BaseAlgorithm, path: str) -> Any:
    found: Any = model
    for part in path.split("."):
        found = getattr(found, part, None)
    return found
