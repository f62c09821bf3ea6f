"""A model in the session of a script: built, resumed, and described for its checkpoints."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from orchestrator.kernel.training.kept_state.checkpoints import Checkpoints
from orchestrator.kernel.wire import KEPT_SUFFIX, Ticket
from orchestrator.sb3.envs.environment_check import lines_of
from orchestrator.sb3.envs.wrappers import lost_state
from orchestrator.sb3.script.identity import arguments_of, describe_model, network_of
from orchestrator.sb3.script.schedules import follows_a_schedule
from orchestrator.sb3.state.algorithm_state import lost_of_algorithm
from orchestrator.sb3.state.training_state_io import environment_of
from orchestrator.sb3.training.training_state import Training

Beside = tuple[Callable[[Path], None], list[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptPlan:
    """What a script asks for, in place of a section's spec."""

    section: str
    scenario: str
    profile: str | None
    target_steps: int
    resume_floor: str

    @staticmethod
    def of(ticket: Ticket, scenario: str, target_steps: int) -> ScriptPlan:
        """The plan of a session."""
        return ScriptPlan(
            section=ticket.section,
            scenario=scenario,
            profile=ticket.spec.get("profile"),
            target_steps=target_steps,
            resume_floor=str(ticket.spec.get("resume_floor") or "statistical"),
        )


@dataclass(slots=True, kw_only=True)
class ScriptTraining(Training):
    """The training of a script's model.

    Attributes:
        checkpoints: The script's checkpoints; they know its lineage.
        beside: Writes what the script keeps beside the model; returns a writer, and what cannot be kept.
        lost: What cannot be saved, beside what the model and its environment name.
        arguments: Those of the untrained model.
    """

    checkpoints: Checkpoints
    beside: Callable[[], Beside]
    lost: list[str] = field(default_factory=list)
    _lost_beside: list[str] = field(default_factory=list)
    arguments: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        """Note the arguments of the untrained model: a callback, or a start from weights, may change them."""
        self.arguments = arguments_of(self.model)

    @property
    def may_be_incomplete(self) -> bool:
        """A script has environments of any kind."""
        return True

    def identity(self) -> dict[str, Any]:
        """The script's identity, and that of its model. A section's card may name algorithm and network itself."""
        model = self.model
        names = {"algorithm": type(model).__name__, "network": network_of(model)}
        horizon = {"horizon_steps": self.plan.target_steps} if follows_a_schedule(model) else {}
        described = describe_model(model)
        kept = self.checkpoints.identity.get("environment_check", [])
        if checked := [*lines_of(environment_of(model)), *kept]:
            described["environment_check"] = checked
        described["arguments"] = self.arguments
        return {**names, **self.checkpoints.identity, **described, **horizon, "lost_state": self.all_lost()}

    def all_lost(self) -> list[str]:
        """What a checkpoint of this training cannot save, one sentence each."""
        model = self.model
        found = (*lost_state(environment_of(model)), *lost_of_algorithm(model), *self.lost, *self._lost_beside)
        return list(dict.fromkeys(found))

    def proof(self, identity: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Facts of a proof of the script, unless something cannot be kept."""
        return None if identity["lost_state"] else self.checkpoints.proof

    def further_files(self) -> Mapping[str, Callable[[Path], None]]:
        """The file of what the script keeps beside the model."""
        write, self._lost_beside = self.beside()
        return {KEPT_SUFFIX: write, **Training.further_files(self)}
