"""What the policy answers to a few observations: written by who saves, asked again by who resumes, before it trains.

Every file of a checkpoint can have its sha256 and the policy still be another one: a card written anew, a loader that
changed, a network built otherwise. What the policy does cannot be mistaken.
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

from orchestrator.kernel.outcome import SessionRefused

RELATIVE_TOLERANCE, ABSOLUTE_TOLERANCE = 1e-3, 1e-4
"""Between different devices or versions of torch: single precision keeps 7 digits, and a few hundred sums are made."""

_Q_HEADS = ("q_net", "q_net_target", "quantile_net", "quantile_net_target")
_CRITICS = ("critic", "critic_target")
_REMEDY = (
    "Remove all files of this checkpoint: the run then continues from the one before. If it happens again, the code "
    "that builds or loads the policy has changed."
)


def probe_tree(model: BaseAlgorithm) -> dict[str, Any]:
    """The newest observations and the policy's answers, for the side file. Draws nothing at random.

    Raises:
        ValueError: The policy has no output that is known here.
    """
    if model._last_obs is None:
        raise ValueError("there is no observation to ask the policy about before the first rollout")
    observations = np.array(model._last_obs)
    answers = policy_answers(model, observations)
    return {
        "observations": observations,
        "answers": answers,
        "digest": _digest(answers),
        "computed_on": computing_device(model),
    }


def check_seam(model: BaseAlgorithm, probe: Mapping[str, Any] | None, *, exact: bool) -> str | None:
    """Ask the restored policy again.

    Args:
        model: With its weights restored.
        probe: As in the side file; None in one that was written before there were probes.
        exact: Whether everything else says that the resume is exact. On the same device the answers must then have
            the same bits; otherwise they must agree within the tolerances above.

    Returns:
        Why the resume is not exact although everything else says so; None if nothing speaks against it.

    Raises:
        SessionRefused: This is not the policy that was saved.
    """
    if probe is None:
        return "probe: it was saved without one, so the seam could not be checked"
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
        raise SessionRefused(_account(saved, answers, far), remedy=_REMEDY)
    return f"probe: other last bits, checkpoint={there}, current={here}" if exact else None


def policy_answers(model: BaseAlgorithm, observations: np.ndarray) -> dict[str, np.ndarray]:
    """Every output of a policy and of its targets, as it acts and not as it learns.

    Args:
        model: The training.
        observations: Shape (batch, features), as the policy sees them.

    Returns:
        Output -> array with the batch first.

    Raises:
        ValueError: The policy has no output that is known here.
    """
    policy = model.policy
    learning = policy.training
    policy.set_training_mode(False)
    try:
        with torch.no_grad():
            seen = torch.as_tensor(observations, device=model.device)
            answers = {name: tensor.cpu().numpy().copy() for name, tensor in _outputs(policy, seen)}
    finally:
        policy.set_training_mode(learning)
    if not answers:
        raise ValueError(f"nothing here knows what a {type(policy).__name__} answers")
    return answers


def computing_device(model: BaseAlgorithm) -> str:
    """What the numbers are computed on, closely enough that equal words mean equal bits."""
    if model.device.type == "cuda":
        return torch.cuda.get_device_name(model.device)
    return f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()} {_processor()}".strip()


def _processor() -> str:
    """The processor's model, where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")


def _outputs(policy: BasePolicy, seen: torch.Tensor) -> Iterator[tuple[str, torch.Tensor]]:
    if isinstance(policy, ActorCriticPolicy):
        chosen: Any = policy.get_distribution(seen).distribution
        yield "actor", chosen.logits if isinstance(chosen, torch.distributions.Categorical) else chosen.mean
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


def _account(saved: Mapping[str, np.ndarray], answers: Mapping[str, np.ndarray], far: list[str]) -> str:
    gaps = {name: float(np.abs(saved[name] - answers[name]).max()) for name in answers}
    told = ", ".join(f"{name} by up to {gaps[name]:.3g}" for name in far or gaps)
    return f"the seam does not hold: the restored policy answers otherwise than the one that was saved ({told})"


def _digest(answers: Mapping[str, np.ndarray]) -> str:
    digest = hashlib.sha256()
    for name in sorted(answers):
        array = np.ascontiguousarray(answers[name])
        digest.update(f"{name}\0{array.dtype.str}\0{array.shape}\0".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
