"""The state of a running training, shared by the modules that start, evaluate, save and end it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.vec_env import VecEnv

from orchestrator.kernel.checkpoint.card import CheckpointCard
from orchestrator.kernel.checkpoint.resume_grade import EXACT
from orchestrator.kernel.session.context import SessionContext
from orchestrator.kernel.training.kept_state.logs import Logs, write_logs
from orchestrator.kernel.training.kept_state.rules.registry import EnvironmentRule
from orchestrator.kernel.training.proof import proof_of_section
from orchestrator.kernel.wire import LOGS_SUFFIX
from orchestrator.sb3.state.identity import ResumeGrade, current_identity
from orchestrator.sb3.training.history import TrainingHistory
from orchestrator.sb3.training.training_spec import Lineage, TrainingSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """Result of a policy's evaluation on tuning scenarios.

    Attributes:
        score: Higher is better.
        measures: Plain numbers for the learning curve.
    """

    score: float
    measures: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """The task of a training, provided by its section.

    Attributes:
        build_env: Builds the training environment of a lineage, not reset yet.
        evaluate: Runs a policy greedily on the lineage's selection scenarios, in separate environments.
        environment_rules: Rules for environments that hide their state; see `EnvironmentRule`.
    """

    build_env: Callable[[Lineage], VecEnv]
    evaluate: Callable[[BaseAlgorithm, Lineage], Evaluation]
    environment_rules: tuple[EnvironmentRule, ...] = ()


class Plan(Protocol):
    """What starting, saving and describing a training need of its spec; see `TrainingSpec`."""

    @property
    def section(self) -> str:
        """Name of the section."""
        ...

    @property
    def scenario(self) -> str:
        """Name in the checkpoints' stems."""
        ...

    @property
    def profile(self) -> str | None:
        """Name of the profile, None without one."""
        ...

    @property
    def target_steps(self) -> int:
        """Total target of the training."""
        ...

    @property
    def resume_floor(self) -> str:
        """Worst resume grade that is accepted."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LastSave:
    """The newest save of this session.

    Attributes:
        ended_s: Time of its end on the session's monotonic clock.
        took_s: Its duration.
    """

    ended_s: float
    took_s: float


@dataclass(slots=True, kw_only=True)
class Training:
    """One session's training, as far as starting, saving and describing it need.

    Attributes:
        parent: Newest committed checkpoint of the lineage, None before the first.
        resumed_from: The checkpoint that this session started from, None for a fresh training.
        grade: How exact the resume was, None for a fresh training.
        steps_start: Environment steps before this session.
        updates_start: Gradient updates before this session.
        last_save: The newest save of this session, None before the first.
        logs: Returns the logs for a checkpoint, None if there are none.
        kept: Results that the section keeps for later sessions, plain JSON; they travel in the metadata.
    """

    context: SessionContext
    plan: Plan
    model: BaseAlgorithm
    record: TrainingHistory
    parent: CheckpointCard | None = None
    resumed_from: CheckpointCard | None = None
    grade: ResumeGrade | None = None
    steps_start: int = 0
    updates_start: int = 0
    last_save: LastSave | None = None
    logs: Callable[[], Logs] | None = None
    kept: dict[str, Any] = field(default_factory=dict)

    @property
    def continued(self) -> str:
        """Grade of the step from `parent` to the next checkpoint: the resume's for the first one after it."""
        if self.grade is None or self.parent is not self.resumed_from:
            return EXACT
        return self.grade.grade

    @property
    def steps(self) -> int:
        """Environment steps done by the lineage."""
        return self.model.num_timesteps

    @property
    def at_target(self) -> bool:
        """Whether the total target is reached."""
        return self.steps >= self.plan.target_steps

    @property
    def may_be_incomplete(self) -> bool:
        """Whether a resume goes on, as `statistical`, if not everything of the environment was restored."""
        return False

    def identity(self) -> dict[str, Any]:
        """What a later session compares before it resumes, as plain JSON."""
        return current_identity(self.context.ticket, self.model)

    def proof(self, identity: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Facts of a proof for the card of a checkpoint with this identity, None without one."""
        return proof_of_section(self.context.ticket.proven, identity)

    def further_files(self) -> Mapping[str, Callable[[Path], None]]:
        """Suffix -> function that writes a further file of a checkpoint to a path."""
        return {} if self.logs is None else {LOGS_SUFFIX: partial(write_logs, logs=self.logs())}


@dataclass(slots=True, kw_only=True)
class TrainingState(Training):
    """The training of a section: its plan is a complete spec, and its task can be evaluated.

    Attributes:
        drawn: Restored state that `learn` changes before the first boundary: it draws gSDE's matrices again.
    """

    plan: TrainingSpec
    task: Task
    drawn: Mapping[str, Any] = field(default_factory=dict)

    def identity(self) -> dict[str, Any]:
        """What a later session compares; with the target, if a schedule spans the whole training."""
        found = Training.identity(self)
        spans = self.plan.lineage.hyper_parameters.follows_target
        return {**found, "horizon_steps": self.plan.target_steps} if spans else found


def is_due(steps: int, *, last_steps: int, every_steps: int) -> bool:
    """Whether a multiple of the cadence lies after `last_steps` and at or before `steps`.

    An extra action between multiples, as at a session's end, does not shift later ones.
    """
    return steps // every_steps > last_steps // every_steps
