"""Reads the policy of an adopted model: tensors only, checked against the network before any of them is loaded."""

from __future__ import annotations

import hashlib
import io
import pickle  # only for the class of an error
from collections.abc import Mapping
from typing import Any

import torch
from stable_baselines3.common.base_class import BaseAlgorithm

from orchestrator.kernel.checkpoint.card import CheckpointCard
from orchestrator.kernel.outcome import SessionRefused
from orchestrator.kernel.reading.archive import MOST_UNPACKED, open_archive
from orchestrator.kernel.wire import MODEL_SUFFIX

_POLICY = "policy.pth"
_NAMED_LIKE_ITS_CLASS = frozenset({"PPO", "A2C", "DQN", "QRDQN", "SAC", "TD3", "TQC", "TRPO"})
_REMEDY = "Adopt a model that fits, or change the network or the algorithm to the model's."


def read_adopted_policy(content: bytes, card: CheckpointCard, model: BaseAlgorithm) -> dict[str, Any]:
    """The policy's tensors in an adopted model zip.

    Only `policy.pth` is read, by torch's weights-only reader. The rest of the file, which may hold pickles, is not
    read at all.

    Raises:
        SessionRefused: The model is of another algorithm, or the file holds no policy of tensors.
    """
    adopted = card.adopted or {}
    _require_algorithm(adopted, model)
    if hashlib.sha256(content).hexdigest() != card.sha256_of(MODEL_SUFFIX):
        raise SessionRefused(f"the adopted model {adopted.get('file')} does not have the sha256 in its card")
    try:
        with open_archive(content, "the adopted model", max(len(content), MOST_UNPACKED)) as archive:
            stream = io.BytesIO(archive.read(_POLICY))
        policy = torch.load(stream, map_location=model.device, weights_only=True)
    except (pickle.UnpicklingError, KeyError, EOFError, RuntimeError, ValueError) as fault:
        raise SessionRefused(
            f"{_POLICY} in the adopted model {adopted.get('file')} is damaged or holds more than tensors: {fault}"
        ) from fault
    if not isinstance(policy, dict) or not all(isinstance(one, torch.Tensor) for one in policy.values()):
        raise SessionRefused(f"{_POLICY} in the adopted model {adopted.get('file')} holds more than tensors")
    return policy


def _require_algorithm(adopted: Mapping[str, Any], model: BaseAlgorithm) -> None:
    stated = adopted.get("algorithm")
    if stated in _NAMED_LIKE_ITS_CLASS and stated not in {kind.__name__.upper() for kind in _known_kinds(model)}:
        known = next(kind.__name__ for kind in _known_kinds(model))
        raise SessionRefused(
            f"the adopted model {adopted.get('file')} is of {stated}, but this training builds {known}", remedy=_REMEDY
        )


def _known_kinds(model: BaseAlgorithm) -> list[type]:
    """The library's classes among those of a model, the most special first."""
    kinds = [kind for kind in type(model).__mro__ if issubclass(kind, BaseAlgorithm)]
    of_library = [kind for kind in kinds if kind.__module__.partition(".")[0] in ("stable_baselines3", "sb3_contrib")]
    return of_library or kinds


def require_fitting(card: CheckpointCard, policy: Mapping[str, Any], model: BaseAlgorithm) -> None:
    """Refuse weights that do not fit the network, before any of them is loaded.

    Raises:
        SessionRefused: Names the first tensor that differs, in the network's order.
    """
    fault = _first_difference(policy, model.policy.state_dict())
    if fault is not None:
        raise SessionRefused(f"the weights of {card.stem} do not fit this network: {fault}", remedy=_REMEDY)


def _first_difference(saved: Mapping[str, Any], current: Mapping[str, Any]) -> str | None:
    for name, tensor in current.items():
        if name not in saved:
            return f"they lack the tensor {name}"
        if saved[name].shape != tensor.shape:
            return f"the tensor {name} has the shape {_shape(saved[name])}, the network's {_shape(tensor)}"
    more = next((name for name in saved if name not in current), None)
    return None if more is None else f"they hold the tensor {more}, which the network lacks"


def _shape(tensor: torch.Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "of one number"
