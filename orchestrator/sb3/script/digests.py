"""Digests of a model's state at a safe boundary, for `orchestrator prove`: they name the part that differs first."""

from __future__ import annotations

from collections.abc import Iterator

from stable_baselines3.common.base_class import BaseAlgorithm

from orchestrator.sb3.resume_proof.digests import optimizer_tree, tree_digest
from orchestrator.sb3.state.policy_digest import policy_digest
from orchestrator.sb3.state.training_state_io import sections_of

_CAUSES_FIRST = ("environment", "layers", "last", "python_rng", "numpy_rng", "torch_rng", "action_space_rng")


def digests_of_model(model: BaseAlgorithm) -> dict[str, str]:
    """Part -> sha256. What acts earlier within a rollout comes first; the policy, which follows from all, last."""
    found = {section.name: tree_digest(section.capture(model)) for section in sections_of(model)}
    found |= {"optimizer": tree_digest(optimizer_tree(model)), "policy": policy_digest(model.policy)}
    return {f"{name.replace('_', ' ')} of the model": found[name] for name in _ordered(found)}


def _ordered(found: dict[str, str]) -> Iterator[str]:
    yield from (name for name in _CAUSES_FIRST if name in found)
    yield from (name for name in found if name not in _CAUSES_FIRST)
