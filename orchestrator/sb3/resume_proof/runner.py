"""One session of the proof that a chain of sessions equals an uncut training. The spec's block `proof` configures it.

It is a normal session with ticket, checkpoints and manifest. In addition it writes the final state of its training,
one digest per part.
"""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from stable_baselines3.common.base_class import BaseAlgorithm

from orchestrator.kernel.environment.libraries import library_versions
from orchestrator.kernel.files.atomic import write_atomically, write_json
from orchestrator.kernel.outcome import KernelEnding, SectionOutcome, SessionRefused
from orchestrator.kernel.schema import check_keys
from orchestrator.kernel.session.context import SessionContext
from orchestrator.kernel.wire import PROOF_NAME
from orchestrator.sb3.checkpoint.resume import begin_training
from orchestrator.sb3.loop import train
from orchestrator.sb3.resume_proof.digests import digests_of, flat_weights
from orchestrator.sb3.resume_proof.naive_resume import DOCUMENTED, PLAIN, train_with_usual_resume
from orchestrator.sb3.resume_proof.reward_digest import RewardRecord
from orchestrator.sb3.training.factory import build_model, prepare_torch
from orchestrator.sb3.training.training_spec import Lineage, TrainingSpec
from orchestrator.sb3.training.training_state import Task, TrainingState

# Windows has no SIGKILL; there `os.kill` ends the process at once whatever the number is.
_KILL = getattr(signal, "SIGKILL", signal.SIGTERM)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofPart:
    """This session's part of the proof.

    Attributes:
        way: `straight` (uncut), `chain`, or `usual` for both controls.
        kill_session: Number of the session that is killed, 0 for none.
        kill_at_steps: Absolute steps after which it is killed, even in the middle of a rollout.
        seams: Steps at which the controls save and load.
    """

    way: str
    kill_session: int
    kill_at_steps: int
    seams: list[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingEnd:
    """The final state of one training."""

    name: str
    model: BaseAlgorithm
    record: RewardRecord


def prove_part(context: SessionContext, task: Task, own: type | None = None) -> SectionOutcome:
    """Run this session's part of the proof; called by a section's proof module.

    Args:
        own: The section's `Schema`, if it has one.

    Raises:
        SessionRefused: The straight training was given a checkpoint.
        ValueError: The spec is invalid; the message names the key.
    """
    spec = dict(context.ticket.spec)
    block = spec.pop("proof", {})
    check_keys(block, ProofPart, place="proof")
    part, plan = ProofPart(**block), TrainingSpec.from_json(spec, own)
    ways = {"straight": _straight, "chain": _chain, "usual": _usual}
    if part.way not in ways:
        raise ValueError(f"proof.way is {part.way!r}; known are {', '.join(ways)}")
    return ways[part.way](context, plan, part, task)


def _straight(context: SessionContext, plan: TrainingSpec, part: ProofPart, task: Task) -> SectionOutcome:
    """Train with one call of the library's `learn` and no callback: nothing is saved, loaded or evaluated."""
    recorded = _Recorded(task)
    training = begin_training(context, plan, recorded.task)
    if training.resumed_from is not None:
        raise SessionRefused("the straight training must start fresh, but the models directory holds a checkpoint")
    training.model.learn(plan.target_steps, reset_num_timesteps=False)
    _write_ends(context, [TrainingEnd(name="straight", model=training.model, record=recorded.record)])
    return _outcome(training, KernelEnding.FINISHED)


def _chain(context: SessionContext, plan: TrainingSpec, part: ProofPart, task: Task) -> SectionOutcome:
    """Run a normal training session; kill it if the spec says so."""
    ticket = context.ticket
    doomed = ticket.session == part.kill_session and ticket.attempt == 1

    def die_when_due(steps: int) -> None:
        if doomed and steps >= part.kill_at_steps:
            os.kill(os.getpid(), _KILL)

    recorded = _Recorded(task, die_when_due)
    result = train(context, plan, recorded.task)
    _write_ends(context, [TrainingEnd(name="chain", model=result.training.model, record=recorded.record)])
    return _outcome(result.training, result.ending)


def _usual(context: SessionContext, plan: TrainingSpec, part: ProofPart, task: Task) -> SectionOutcome:
    """Both controls, one after the other."""
    device = prepare_torch(plan.device)
    ends: list[TrainingEnd] = []
    for name in (PLAIN, DOCUMENTED):
        recorded = _Recorded(task)

        def build(recorded: _Recorded = recorded) -> tuple[BaseAlgorithm, RewardRecord]:
            env = recorded.task.build_env(plan.lineage)
            model = build_model(plan.lineage, env, device=device, target_steps=plan.target_steps)
            return model, recorded.record

        with tempfile.TemporaryDirectory(prefix="usual-resume-") as folder:
            model, record = train_with_usual_resume(
                build,
                seams=part.seams,
                target_steps=plan.target_steps,
                folder=Path(folder),
                documented=name == DOCUMENTED,
            )
        ends.append(TrainingEnd(name=name, model=model, record=record))
    _write_ends(context, ends)
    return SectionOutcome(ending=KernelEnding.FINISHED, steps_start=0, steps_done=plan.target_steps)


class _Recorded:
    """A task whose training environment records its rewards; keeps a reference to the environment that was built."""

    def __init__(self, task: Task, before_step: Callable[[int], None] = lambda steps: None) -> None:
        self._built: list[RewardRecord] = []

        def build(lineage: Lineage) -> RewardRecord:
            self._built.append(RewardRecord(task.build_env(lineage), before_step))
            return self._built[-1]

        self.task = replace(task, build_env=build)

    @property
    def record(self) -> RewardRecord:
        """The environment that was built last."""
        return self._built[-1]


def _write_ends(context: SessionContext, ends: list[TrainingEnd]) -> None:
    """Write digests as JSON and weights as raw little-endian doubles, which can be compared without numpy."""
    rows: list[Mapping[str, Any]] = []
    for number, end in enumerate(ends):
        name = f"proof_weights_{number}.f64"
        write_atomically(context.metrics_dir / name, flat_weights(end.model).tofile)
        rows.append(
            {
                "name": end.name,
                "steps": end.model.num_timesteps,
                "items": digests_of(end.model, end.record),
                "weights": name,
            }
        )
    write_json(context.metrics_dir / PROOF_NAME, {"stamp": context.ticket.stamp(), "ends": rows})


def _outcome(training: TrainingState, ending: KernelEnding) -> SectionOutcome:
    resumed, grade = training.resumed_from, training.grade
    return SectionOutcome(
        ending=ending,
        steps_start=training.steps_start,
        steps_done=training.steps,
        resumed_from=resumed.digest if resumed else None,
        resume_grade=grade.grade if grade else None,
        resume_reasons=grade.reasons if grade else (),
        runtime={**library_versions(), "device": str(training.model.device)},
    )
