"""The collected policies of section 7.6, as controllers."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

from orchestrator.kernel.algorithms.hyperparameters import read_hyper_parameters
from orchestrator.kernel.checkpoint.normalization_file import SavedNormalization
from orchestrator.kernel.reading.json_text import read_object
from orchestrator.sb3.algorithms.normalization import Normalization
from orchestrator.sb3.state.finite import non_finite_parts
from orchestrator.sb3.state.policy_digest import policy_digest
from orchestrator.sb3.state.sb3_zip import read_parameters
from orchestrator.sb3.training.factory import build_model, prepare_torch
from orchestrator.sb3.training.training_spec import Lineage
from validation_ch7.section_7_6_rl_performance.controllers.interface import Controller
from validation_ch7.section_7_6_rl_performance.evaluation.task import greedy_controller, traffic_world
from validation_ch7.section_7_7_robustness.collect import ABOUT_NAME, STATISTICS_NAME, WEIGHTS_NAME

_SHOWN_DIGITS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedPolicy:
    """One policy.

    Attributes:
        digest: Of its weights.
        controller: The policy, which always takes its best action.
        identity: Of its training, from the card of the best model: algorithm, network, seed, environment ...
        steps: Of its training.
    """

    digest: str
    controller: Controller
    identity: Mapping[str, Any]
    steps: int

    @property
    def name(self) -> str:
        """Name in tables."""
        return policy_name(self.digest)

    @property
    def environment(self) -> Mapping[str, Any]:
        """The `environment` block of its training."""
        return cast("Mapping[str, Any]", self.identity["environment"])

    def in_short(self) -> dict[str, Any]:
        """Plain JSON."""
        kept = ("lineage_id", "algorithm", "network", "seed", "environment", "score", "code_digest")
        return {
            "policy_digest": self.digest,
            "steps": self.steps,
            **{name: self.identity.get(name) for name in kept},
        }


def policy_name(digest: str) -> str:
    """Name of a policy in tables."""
    return f"rl {digest[:_SHOWN_DIGITS]}"


def load_policies(folder: Path, environment: Mapping[str, float]) -> tuple[TrainedPolicy, ...]:
    """The policies in a folder, in the order of their digests.

    Args:
        folder: See `collect`.
        environment: The crossing of this section.

    Raises:
        ValueError: A policy is damaged, or it was trained at another crossing; the message names it.
        ArithmeticError: One of its weights is NaN or infinite.
    """
    prepare_torch("cpu")  # also without a policy: threads are part of the identity of a checkpoint
    return tuple(_load_checked(path.parent, environment) for path in sorted(folder.glob(f"*/{ABOUT_NAME}")))


def _load_checked(folder: Path, environment: Mapping[str, float]) -> TrainedPolicy:
    try:
        return _load(folder, environment)
    except (LookupError, TypeError, OSError) as fault:
        raise ValueError(f"{folder} is damaged: {type(fault).__name__}: {fault}; collect the policies again") from fault


def _load(folder: Path, environment: Mapping[str, float]) -> TrainedPolicy:
    about = read_object(folder / ABOUT_NAME)
    identity, digest = about["identity"], str(about["policy_digest"])
    _require_crossing(folder, identity["environment"], environment)
    content = {name: (folder / name).read_bytes() for name in about["sha256"]}
    for name, sha256 in about["sha256"].items():
        if hashlib.sha256(content[name]).hexdigest() != sha256:
            raise ValueError(f"{folder / name} is damaged: collect the policies again")
    lineage = Lineage(
        section=identity["section"],
        environment=identity["environment"],
        algorithm=identity["algorithm"],
        network=tuple(identity["network"]),
        hyper_parameters=read_hyper_parameters(identity["algorithm"], identity["hyper_parameters"]),
        seed=identity["seed"],
    )
    model = build_model(lineage, traffic_world().build_env(lineage), device="cpu", target_steps=about["steps"])
    weights = read_parameters(content[WEIGHTS_NAME], sha256=about["sha256"][WEIGHTS_NAME], device=model.device)
    policy = model.policy
    policy.load_state_dict(cast("Mapping[str, Any]", weights["policy"]))
    policy.set_training_mode(False)
    if policy_digest(policy) != digest:
        raise ValueError(f"{folder} does not hold the policy {digest}: collect the policies again")
    if (broken := next(non_finite_parts(policy.state_dict()), None)) is not None:
        raise ArithmeticError(f"the policy in {folder} cannot be evaluated: its {broken.part} is not finite")
    statistics = content.get(STATISTICS_NAME)
    normalization = None if statistics is None else _normalization(statistics)
    controller = greedy_controller(policy, lineage, policy_name(digest), normalization)
    return TrainedPolicy(digest=digest, controller=controller, identity=identity, steps=about["steps"])


def _normalization(content: bytes) -> Normalization | None:
    saved = SavedNormalization.from_bytes(content)
    if saved.obs_rms is None:
        return None
    return Normalization(
        mean=np.array(saved.obs_rms.mean, dtype=np.float64),
        variance=np.array(saved.obs_rms.var, dtype=np.float64),
        epsilon=saved.epsilon,
        clip=saved.clip_obs,
        count=saved.obs_rms.count,
    )


def _require_crossing(folder: Path, trained: Mapping[str, Any], environment: Mapping[str, float]) -> None:
    """Every key that both crossings have must be equal, except the length of an episode."""
    other = [
        f"{name}: {trained[name]} there, {value} in the card"
        for name, value in environment.items()
        if name in trained and name != "episode_s" and trained[name] != value
    ]
    if other:
        raise ValueError(
            f"the policy in {folder} was trained at another crossing ({'; '.join(other)})\n"
            "Set `environment` in the card of section 7.7 to that crossing, or collect policies of this one."
        )
