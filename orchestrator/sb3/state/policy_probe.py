"""The probe: a policy's outputs for a few observations, stored by a save and checked again after a resume.

It detects a wrong policy even if every file has its sha256: an edited card, a changed loader, a network that is built
differently.
"""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.policies import ActorCriticPolicy, BasePolicy
from stable_baselines3.common.utils import obs_as_tensor

from orchestrator.kernel.outcome import SessionRefused

RELATIVE_TOLERANCE, ABSOLUTE_TOLERANCE = 1e-3, 1e-4
"""For other devices or versions of torch: single precision has 7 digits, and each output sums a few hundred terms."""

_Q_HEADS = ("q_net", "q_net_target", "quantile_net", "quantile_net_target")
_CRITICS = ("critic", "critic_target")
_REMEDY = (
    "Remove all files of this checkpoint: the run then continues from the one before. If it happens again, the code "
    "that builds or loads the policy has changed."
)


def probe_tree(model: BaseAlgorithm) -> dict[str, Any]:
    """The newest observations and the policy's outputs, for the side file. Draws no random number.

    Returns:
        The probe; only the class of the policy if its outputs are unknown.

    Raises:
        ValueError: There is no observation yet.
    """
    if model._last_obs is None:
        raise ValueError("the policy cannot be probed before the first rollout: there is no observation yet")
    if not _has_known_outputs(model.policy):
        return {"unknown": type(model.policy).__name__}
    observations = _copied(model._last_obs)
    answers = policy_answers(model, observations)
    return {
        "observations": observations,
        "answers": answers,
        "digest": _digest(answers),
        "computed_on": computing_device(model),
    }


def check_seam(model: BaseAlgorithm, probe: Mapping[str, Any] | None, *, exact: bool) -> str | None:
    """Compare the restored policy's outputs with the stored ones.

    Args:
        model: With its weights restored.
        probe: From the side file; None in files of a version without probes.
        exact: Whether the resume is exact so far. On the same device the outputs must then be equal bit for bit;
            otherwise they must agree within the tolerances above.

    Returns:
        Why the resume is not exact after all; None if the probe found no reason.

    Raises:
        SessionRefused: This is not the saved policy.
    """
    if probe is None:
        return "probe: it was saved without one, so the seam could not be checked"
    if "unknown" in probe:
        return None  # the policy's digest is compared with the card
    answers = policy_answers(model, probe["observations"])
    saved: Mapping[str, np.ndarray] = probe["answers"]
    if _digest(saved) != probe["digest"] or {name: a.shape for name, a in saved.items()} != {
        name: a.shape for name, a in answers.items()
    }:
        raise SessionRefused("the seam does not hold: the probe contradicts itself or this policy", remedy=_REMEDY)
    if _digest(answers) == probe["digest"]:
        return None
    here, there = computing_device(model), probe["computed_on"]
    far = [name for name in answers if not _close(saved[name], answers[name])]
    if far or (exact and here == there):
        raise SessionRefused(_differences(saved, answers, far), remedy=_REMEDY)
    return f"probe: other last bits, checkpoint={there}, current={here}" if exact else None


def policy_answers(model: BaseAlgorithm, observations: np.ndarray | dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Every output of a policy and of its target networks, in evaluation mode.

    Args:
        model: The model in training.
        observations: Shape (batch, ...), or one such array for each key; normalized if the policy expects that.

    Returns:
        Output -> array of shape (batch, ...).

    Raises:
        ValueError: The policy has no known output.
    """
    policy = model.policy
    learning = policy.training
    policy.set_training_mode(False)
    try:
        with torch.no_grad():
            seen = obs_as_tensor(observations, model.device)
            answers = {name: tensor.cpu().numpy().copy() for name, tensor in _outputs(policy, seen)}
    finally:
        policy.set_training_mode(learning)
    if not answers:
        raise ValueError(f"the outputs of a {type(policy).__name__} are unknown, so it cannot be probed")
    return answers


def computing_device(model: BaseAlgorithm) -> str:
    """Description of the computing device; with the same description, results are equal bit for bit."""
    if model.device.type == "cuda":
        return torch.cuda.get_device_name(model.device)
    return f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()} {_processor()}".strip()


def _processor() -> str:
    """The processor's model, empty if unknown."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")


def _copied(observations: Any) -> Any:
    if isinstance(observations, dict):
        return {name: np.array(one, order="C") for name, one in observations.items()}
    return np.array(observations, order="C")  # as a file returns it: a convolution rounds by the layout in memory


def _has_known_outputs(policy: BasePolicy) -> bool:
    """Whether `_outputs` can ask the policy: its methods take observations alone."""
    if isinstance(policy, ActorCriticPolicy):
        return not hasattr(policy, "lstm_actor")
    critics = not hasattr(policy, "actor") or all(hasattr(policy, name) for name in _CRITICS)
    return critics and any(hasattr(policy, name) for name in (*_Q_HEADS, "actor"))


def _outputs(policy: BasePolicy, seen: Any) -> Iterator[tuple[str, torch.Tensor]]:
    if isinstance(policy, ActorCriticPolicy):
        chosen: Any = policy.get_distribution(seen).distribution
        if isinstance(chosen, list):  # of `MultiDiscrete` actions
            yield "actor", torch.cat([one.logits for one in chosen], dim=1)
        else:
            discrete = isinstance(chosen, torch.distributions.Categorical | torch.distributions.Bernoulli)
            yield "actor", chosen.logits if discrete else chosen.mean
        yield "values", policy.predict_values(seen)
        return
    for name in _Q_HEADS:
        if hasattr(policy, name):
            yield name, getattr(policy, name)(seen)
    if hasattr(policy, "actor"):
        actions = policy._predict(seen, deterministic=True)
        yield "actor", actions
        if hasattr(policy, "actor_target"):
            target: Any = policy.actor_target
            yield "actor_target", target(seen)
        for name in _CRITICS:
            for index, values in enumerate(getattr(policy, name)(seen, actions)):
                yield f"{name}_{index}", values


def _close(one: np.ndarray, other: np.ndarray) -> bool:
    return bool(np.allclose(one, other, rtol=RELATIVE_TOLERANCE, atol=ABSOLUTE_TOLERANCE))


def _differences(saved: Mapping[str, np.ndarray], answers: Mapping[str, np.ndarray], far: list[str]) -> str:
    gaps = {name: float(np.abs(saved[name] - answers[name]).max()) for name in answers}
    details = ", ".join(f"{name} by up to {gaps[name]:.3g}" for name in far or gaps)
    return f"the seam does not hold: the outputs of the restored policy differ from the saved ones ({details})"


def _digest(answers: Mapping[str, np.ndarray]) -> str:
    digest = hashlib.sha256()
    for name in sorted(answers):
        array = np.ascontiguousarray(answers[name])
        digest.update(f"{name}\0{array.dtype.str}\0{array.shape}\0".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
