"""What a lineage remembers of its own training: beginning, learning curve, best model, seams."""

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
        score: Higher is better; what the best model is chosen by.
        gradient_updates: Updates done.
        policy_digest: Of the policy that was evaluated.
        measures: What else the evaluation told, plain numbers.
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
        model_zip: The bytes of its model file. They travel with every checkpoint, so that one checkpoint is
            enough to restore the best model that belongs to it, whatever else was carried.
        normalization: How its observations were normalized when it was found; None if they are not.
        returns: Statistics by which its rewards were normalized then; None where nothing is normalized, or where an
            earlier version did not keep them.
    """

    steps: int
    score: float
    policy_digest: str
    model_zip: bytes
    normalization: Normalization | None = None
    returns: RunningStatistics | None = None

    def in_short(self) -> dict[str, Any]:
        """Plain JSON without the file."""
        return {"steps": self.steps, "score": self.score, "policy_digest": self.policy_digest}


@dataclass(slots=True, kw_only=True)
class TrainingHistory:
    """The memory of one lineage.

    Attributes:
        policy_digest_at_start: Digest of the untrained policy.
        last_eval_steps: Steps at the newest evaluation.
        last_save_steps: Steps at the newest save, or at one that was due and skipped.
        curve: All evaluations, oldest first.
        best: The best model, None before the first evaluation.
        seams: Steps at which sessions were cut. The only part that tells a chain from a straight run.
    """

    policy_digest_at_start: str
    last_eval_steps: int = 0
    last_save_steps: int = 0
    curve: list[CurvePoint] = field(default_factory=list)
    best: BestModel | None = None
    seams: list[int] = field(default_factory=list)

    def selection_tree(self) -> dict[str, Any]:
        """The part that a straight run and a chain share."""
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
        """Read both parts back.

        Raises:
            ValueError: They are not a record of this version.
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
            raise ValueError(f"not a training record: {fault}") from fault


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
