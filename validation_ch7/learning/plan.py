"""The spec of a session as the training understands it: every key is used or refused by name."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from validation_ch7.learning.schedules import LinearPlan, common_horizon_steps

RESUME_FLOORS = ("exact", "statistical")
_POSITIVE = ("target_steps", "checkpoint_every_steps", "evaluate_every_steps", "evaluation_scenarios")
_SCHEDULED = ("learning_rate", "exploration")


@dataclass(frozen=True, slots=True, kw_only=True)
class HyperParameters:
    """What the lineage declares about learning. Steps are environment decisions summed over environments.

    Attributes:
        n_envs: Environments stepped together.
        learning_rate: Of the optimizer.
        exploration: Probability of a random action.
        batch_size: Transitions per gradient update.
        buffer_size: Transitions that the replay buffer holds.
        learning_starts: Steps with random actions before the first update.
        gamma: Discount per decision.
        gradient_steps: Updates per rollout.
        train_freq: Decisions per environment in one rollout.
        target_update_interval: Steps between copies into the target network.
        selection_scenarios: Tuning scenarios on which the best model is chosen.
    """

    n_envs: int
    learning_rate: LinearPlan
    exploration: LinearPlan
    batch_size: int
    buffer_size: int
    learning_starts: int
    gamma: float
    gradient_steps: int
    train_freq: int
    target_update_interval: int
    selection_scenarios: int

    @property
    def horizon_steps(self) -> int:
        """Steps against which progress is measured."""
        return common_horizon_steps(self.learning_rate, self.exploration)

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> HyperParameters:
        """Read the block `hyper_parameters`.

        Raises:
            ValueError: A key is unknown or missing; the message names it and the nearest known one.
        """
        check_keys(plain, cls, place="hyper_parameters")
        values = dict(plain)
        for name in _SCHEDULED:
            check_keys(values[name], LinearPlan, place=f"hyper_parameters.{name}")
            values[name] = LinearPlan(**values[name])
        return cls(**values)


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
class SessionPlan:
    """One session's spec.

    Attributes:
        target_steps: Total target of the lineage, not of this session.
        checkpoint_every_steps: Cadence of saving.
        evaluate_every_steps: Cadence of the evaluation that selects the best model.
        evaluation_scenarios: Unseen scenarios on which the section judges at the target.
        deadline_s: Wall seconds that the session may use; kept by the runtime.
        criteria: What the verdict is measured against.
        resume_floor: Worst resume grade that the card accepts.
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
    def from_json(cls, plain: Mapping[str, Any]) -> SessionPlan:
        """Read a ticket's spec.

        Raises:
            ValueError: A key is unknown or missing, or a value makes no sense; the message says which.
        """
        check_keys(plain, cls, place="spec")
        lineage = plain["lineage"]
        check_keys(lineage, Lineage, place="lineage")
        hyper_parameters = HyperParameters.from_json(lineage["hyper_parameters"])
        network = tuple(lineage["network"])
        read = Lineage(**{**lineage, "network": network, "hyper_parameters": hyper_parameters})
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
            raise ValueError(f"the lineage is of {self.lineage.section}, the spec of {self.section}")


def check_keys(plain: Mapping[str, Any], described_by: type, *, place: str) -> None:
    """Use or refuse: a misspelled key must never be a silent default.

    Args:
        plain: What was given.
        described_by: The dataclass whose fields are the keys, all of them required.
        place: Where in the spec, for the message.

    Raises:
        ValueError: Names the first unknown or missing key, and the nearest known one.
    """
    known = [field.name for field in fields(described_by)]
    for name in plain:
        if name not in known:
            nearest = difflib.get_close_matches(name, known, n=1, cutoff=0.0)
            raise ValueError(f"unknown key {place}.{name}; the nearest known one is {nearest[0]}")
    missing = [name for name in known if name not in plain]
    if missing:
        raise ValueError(f"missing key {place}.{missing[0]}")
