"""The spec of a training session; unknown and missing keys are refused by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from orchestrator.kernel.algorithms.hyperparameters import HyperParameters, read_hyper_parameters
from orchestrator.kernel.schema import CRITERIA, SETTINGS, check_keys

RESUME_FLOORS = ("exact", "statistical", "weights-only")
_POSITIVE = ("target_steps", "checkpoint_every_steps", "evaluate_every_steps", "evaluation_scenarios")


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineage:
    """What makes two trainings the same training."""

    section: str
    environment: Mapping[str, Any]
    algorithm: str
    network: tuple[int, ...]
    hyper_parameters: HyperParameters
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSpec:
    """One session's spec.

    Attributes:
        target_steps: Total target of the lineage, not of this session.
        checkpoint_every_steps: Cadence of saving.
        evaluate_every_steps: Cadence of the evaluation that selects the best model.
        evaluation_scenarios: Number of unseen scenarios for the final evaluation at the target.
        deadline_s: Wall seconds that the session may use; enforced by the kernel.
        criteria: The card's `criteria`: the question that the verdict answers.
        resume_floor: Worst resume grade that is accepted.
        device: `cpu`, `cuda`, or `auto`.
    """

    section: str
    section_dir: str
    entry_point: str
    scenario: str
    profile: str
    backend: str
    lineage: Lineage
    target_steps: int
    checkpoint_every_steps: int
    evaluate_every_steps: int
    evaluation_scenarios: int
    deadline_s: float | None
    criteria: Mapping[str, Any]
    resume_floor: str
    device: str

    @classmethod
    def from_json(cls, plain: Mapping[str, Any], own: type | None = None) -> TrainingSpec:
        """Read a ticket's spec.

        Args:
            own: The section's `Schema`, whose keys the lineage may have; `own_values` of `orchestrator.kernel.schema`
                reads them.

        Raises:
            ValueError: A key is unknown or missing, or a value is invalid; the message names it.
        """
        check_keys(plain, cls, place="spec")
        lineage = plain["lineage"]
        more = [SETTINGS, *(field.name for field in fields(own) if field.name != CRITERIA)] if own else [SETTINGS]
        check_keys(lineage, Lineage, place="lineage", more=more)
        known = {field.name: lineage[field.name] for field in fields(Lineage) if field.name in lineage}
        hyper_parameters = read_hyper_parameters(lineage["algorithm"], lineage["hyper_parameters"])
        network = tuple(lineage["network"])
        read = Lineage(**{**known, "network": network, "hyper_parameters": hyper_parameters})
        plan = cls(**{**plain, "lineage": read})
        plan._check_values()
        return plan

    def _check_values(self) -> None:
        for name in _POSITIVE:
            if getattr(self, name) <= 0:
                raise ValueError(f"spec.{name} must be positive, not {getattr(self, name)}")
        if self.resume_floor not in RESUME_FLOORS:
            raise ValueError(f"spec.resume_floor is {self.resume_floor!r}; known: {', '.join(RESUME_FLOORS)}")
        if self.lineage.section != self.section:
            raise ValueError(f"the lineage belongs to {self.lineage.section}, but the spec to {self.section}")
