"""The history of a lineage's training: initial policy, learning curve, best model, seams."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from orchestrator.kernel.checkpoint.normalization_file import RunningStatistics
from orchestrator.sb3.algorithms.normalization import Normalization


@dataclass(frozen=True, slots=True, kw_only=True)
class CurvePoint:
    """One evaluation during training.

    Attributes:
        steps: Environment steps done.
        score: Higher is better; the best model is the one with the highest score.
        gradient_updates: Gradient updates done.
        policy_digest: Of the evaluated policy.
        measures: Other numbers of the evaluation.
    """

    steps: int
    score: float
    gradient_updates: int
    policy_digest: str
    measures: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class BestModel:
    """The best policy so far.

    Attributes:
        steps: Environment steps after which it was found.
        score: Higher is better.
        policy_digest: Digest of its parameters.
        model_zip: The bytes of its model file. They are part of every checkpoint, so that one checkpoint is enough
            to restore its best model.
        normalization: Normalization of observations when it was found; None if they are not normalized.
        returns: Statistics for the normalization of rewards at that moment; None if nothing is normalized, or in
            checkpoints of an earlier version.
    """

    steps: int
    score: float
    policy_digest: str
    model_zip: bytes
    normalization: Normalization | None = None
    returns: RunningStatistics | None = None

    def in_short(self) -> dict[str, Any]:
        """Plain JSON without the model file."""
        return {"steps": self.steps, "score": self.score, "policy_digest": self.policy_digest}


@dataclass(slots=True, kw_only=True)
class TrainingHistory:
    """The training history of one lineage.

    Attributes:
        policy_digest_at_start: Digest of the untrained policy.
        last_eval_steps: Steps at the newest evaluation.
        last_save_steps: Steps at the newest save, or at a due save that was skipped.
        curve: All evaluations, oldest first.
        best: The best model, None before the first evaluation.
        seams: Steps at which sessions were cut. Only this part differs between a chain and an uncut run.
    """

    policy_digest_at_start: str
    last_eval_steps: int = 0
    last_save_steps: int = 0
    curve: list[CurvePoint] = field(default_factory=list)
    best: BestModel | None = None
    seams: list[int] = field(default_factory=list)

    def selection_tree(self) -> dict[str, Any]:
        """The part that is equal for an uncut run and a chain."""
        best = None
        if self.best is not None:
            best = {**self.best.in_short(), "model_zip": np.frombuffer(self.best.model_zip, dtype=np.uint8)}
            if self.best.normalization is not None:
                best["normalization"] = self.best.normalization.to_tree()
            if self.best.returns is not None:
                best["returns"] = asdict(self.best.returns)
        return {
            "policy_digest_at_start": self.policy_digest_at_start,
            "last_eval_steps": self.last_eval_steps,
            "last_save_steps": self.last_save_steps,
            "curve": [asdict(point) for point in self.curve],
            "best": best,
        }

    def provenance_tree(self) -> dict[str, Any]:
        """The part that depends on how the run was cut."""
        return {"seams": list(self.seams)}

    @classmethod
    def from_trees(cls, selection: Mapping[str, Any], provenance: Mapping[str, Any]) -> TrainingHistory:
        """Read both parts.

        Raises:
            ValueError: They are not a history of this version.
        """
        try:
            best = selection["best"]
            return cls(
                policy_digest_at_start=selection["policy_digest_at_start"],
                last_eval_steps=selection["last_eval_steps"],
                last_save_steps=selection["last_save_steps"],
                curve=[CurvePoint(**point) for point in selection["curve"]],
                best=best and _best_from(best),
                seams=list(provenance["seams"]),
            )
        except (KeyError, TypeError) as fault:
            raise ValueError(f"not a training history: {fault}") from fault


def _best_from(tree: Mapping[str, Any]) -> BestModel:
    normalization, returns = tree.get("normalization"), tree.get("returns")
    return BestModel(
        **{
            **tree,
            "model_zip": tree["model_zip"].tobytes(),
            "normalization": normalization and Normalization.from_tree(normalization),
            "returns": returns and RunningStatistics(**returns),
        }
    )
