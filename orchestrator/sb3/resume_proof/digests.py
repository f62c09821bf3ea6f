"""The final state of a training as one sha256 per part; two trainings are equal if all of them are equal."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.save_util import recursive_getattr

from orchestrator.sb3.state.npz_tree import write_state
from orchestrator.sb3.state.policy_digest import policy_digest
from orchestrator.sb3.state.training_state_io import StatefulEnvironment, sections_of

_ENVIRONMENT = "environment"


def digests_of(model: BaseAlgorithm, environment: StatefulEnvironment) -> dict[str, str]:
    """Digest every part of a training at a safe boundary. Changes nothing and draws no random number.

    Args:
        model: The model in training.
        environment: Its environment without wrappers. A `RewardRecord` is digested without its record of rewards,
            which is an item of its own.

    Returns:
        Part -> hex sha256: `policy`, `optimizer`, `environment`, `reward_sequence` if recorded, and each section of
        the full state (`replay_buffer`, the random generators, the counters ...) under its own name.
    """
    state: Mapping[str, Any] = environment.get_state()
    rewards = getattr(environment, "reward_sequence", None)
    items = {"policy": policy_digest(model.policy), "optimizer": tree_digest(optimizer_tree(model))}
    for section in sections_of(model):
        if section.name != _ENVIRONMENT:
            items[section.name] = tree_digest(section.capture(model))
    items[_ENVIRONMENT] = tree_digest(state if rewards is None else state[_ENVIRONMENT])
    if rewards is not None:
        items["reward_sequence"] = rewards
    return items


def flat_weights(model: BaseAlgorithm) -> np.ndarray:
    """All floating-point parameters of the policy, target networks included, as little-endian doubles.

    Returns:
        Shape (n,), in the order of the sorted parameter names. The conversion from single precision is exact.
    """
    tensors = model.policy.state_dict()
    flat = [tensors[name].detach().cpu().numpy().ravel() for name in sorted(tensors)]
    floating = [array for array in flat if array.dtype.kind == "f"]
    return np.concatenate(floating).astype("<f8")


def optimizer_tree(model: BaseAlgorithm) -> dict[str, Any]:
    """State of every optimizer, and every learned variable outside the policy (an entropy coefficient)."""
    names, variables = model._get_torch_save_params()
    tree = {name: _plain(recursive_getattr(model, name).state_dict()) for name in names if name != "policy"}
    return tree | {name: _plain(recursive_getattr(model, name)) for name in variables}


def _plain(value: Any) -> Any:
    """Convert torch's values to the types of a state file."""
    if isinstance(value, torch.Tensor):
        return value.detach().cpu().numpy().copy()
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def tree_digest(tree: Any) -> str:
    """Hex sha256 of a tree as the bytes of a state file."""
    stream = io.BytesIO()
    write_state(stream, {"part": tree})
    return hashlib.sha256(stream.getvalue()).hexdigest()
