"""The identity of a training, stored in each card, and the grade of a resume: known before anything is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import torch
from stable_baselines3.common.base_class import BaseAlgorithm

from orchestrator.kernel.checkpoint.adopted import adopted_line
from orchestrator.kernel.checkpoint.card import CheckpointCard
from orchestrator.kernel.checkpoint.resume_grade import REFUSE, STATISTICAL, WEIGHTS_ONLY, differences, is_below, worst
from orchestrator.kernel.environment.libraries import library_versions
from orchestrator.kernel.environment.processor import describe_machine
from orchestrator.kernel.outcome import SessionRefused
from orchestrator.kernel.schema import LINEAGE_KEYS
from orchestrator.kernel.wire import CHECKPOINTS, MODEL_SUFFIX, STATE_SUFFIX, Ticket
from orchestrator.sb3.envs.environment_check import lines_of
from orchestrator.sb3.envs.wrappers import acts_through, lost_state
from orchestrator.sb3.state.algorithm_state import lost_of_algorithm
from orchestrator.sb3.state.policy_digest import policy_digest
from orchestrator.sb3.state.training_state_io import environment_of


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumeGrade:
    """How exact a resume is, and why it is not exact."""

    grade: str
    reasons: tuple[str, ...] = ()

    def lowered(self, reason: str | None, *, floor: str) -> ResumeGrade:
        """The grade after loading: at most `statistical` if there is a reason, unchanged if it is None.

        Raises:
            SessionRefused: The new grade is below the floor.
        """
        if reason is None:
            return self
        grade = worst((self.grade, STATISTICAL))
        if is_below(grade, floor):
            raise SessionRefused(f"the checkpoint resumes as {grade}, but {floor} is required: {reason}")
        return ResumeGrade(grade=grade, reasons=(*self.reasons, reason))


def current_identity(ticket: Ticket, model: BaseAlgorithm) -> dict[str, Any]:
    """The identity of the running training, as plain JSON for its cards."""
    lineage = ticket.spec["lineage"]
    own = {key: lineage[key] for key in lineage if key not in LINEAGE_KEYS or key == "settings"}
    through = acts_through(environment_of(model))
    return {
        "section": ticket.section,
        "lineage_id": ticket.lineage_id,
        "algorithm": lineage["algorithm"],
        "network": list(lineage["network"]),
        "observation_space": describe_space(model.observation_space),
        "action_space": describe_space(model.action_space),
        "hyper_parameters": dict(lineage["hyper_parameters"]),
        "environment": dict(lineage.get("environment", {})),
        **({"own": own} if own else {}),  # omitted if empty, as in cards of earlier versions
        "seed": lineage["seed"],
        "versions": dict(library_versions()),
        "device_class": model.device.type,
        "machine": machine_of(model),
        "code_digest": ticket.bundle_digest,
        # State that no checkpoint of this training can save; empty if it resumes exactly.
        "lost_state": [*lost_state(environment_of(model)), *lost_of_algorithm(model)],
        "policy_digest": policy_digest(model.policy),
        **({"environment_check": checked} if (checked := lines_of(environment_of(model))) else {}),
        # Layers that a plain load of the zip lacks; omitted if there are none, as in cards of earlier versions.
        **({"acts_through": list(through)} if through else {}),
    }


def machine_of(model: BaseAlgorithm) -> dict[str, str]:
    """The machine that a model is trained on, with its GPU if it uses one."""
    gpu = {"gpu": torch.cuda.get_device_name(model.device)} if model.device.type == "cuda" else {}
    return {**describe_machine(), **gpu}


def describe_space(space: gymnasium.Space[Any]) -> dict[str, Any]:
    """A space as plain JSON; bounds are text, since JSON has no infinity."""
    if isinstance(space, gymnasium.spaces.Box):
        bounds = {"low": _bound(space.low), "high": _bound(space.high)}
        return {"kind": "Box", "shape": list(space.shape), "dtype": str(space.dtype), **bounds}
    if isinstance(space, gymnasium.spaces.Discrete):
        return {"kind": "Discrete", "n": int(space.n), "start": int(space.start)}
    return {"kind": type(space).__name__, "text": str(space)}


def grade_resume(
    card: CheckpointCard, current: Mapping[str, Any], *, floor: str, folder: Path | None = None
) -> ResumeGrade:
    """Compare a verified card with the training that would continue it, before anything is loaded.

    Args:
        card: The checkpoint's card, its files already verified.
        current: `current_identity` of the freshly built model.
        floor: Worst grade that is accepted.
        folder: Models directory of a script that runs without a project, None in a project; for the remedy.

    Raises:
        SessionRefused: It is another training, or the grade is below the floor. The message lists all reasons.
    """
    if card.is_adopted_model:
        return _grade_adopted(card, current)
    found = differences(card.identity, current)
    reasons = [str(difference) for difference in found]
    grades = [difference.grade for difference in found]
    if not card.has_state:
        reasons.append(f"without a {STATE_SUFFIX} file only its weights could be loaded")
        grades.append(WEIGHTS_ONLY)
    for lost in card.identity.get("lost_state", ()):
        reasons.append(f"the checkpoint could not keep everything: {lost}")
        grades.append(STATISTICAL)
    grade = worst(grades)
    if grade == REFUSE or (grade == WEIGHTS_ONLY and is_below(grade, floor)):
        remedy = _remedy(card, grade, folder)
        raise SessionRefused(f"{card.stem} cannot be continued: {'; '.join(reasons)}", remedy=remedy)
    if is_below(grade, floor):
        raise SessionRefused(
            f"{card.stem} resumes as {grade}, but {floor} is required: {'; '.join(reasons)}",
            remedy=f"Train where these are as before, or set resume_floor: {grade} in the card.",
        )
    return ResumeGrade(grade=grade, reasons=tuple(reasons))


def _remedy(card: CheckpointCard, grade: str, folder: Path | None) -> str:
    if folder is None:
        weights = "--accept-grade weights-only starts a new training from its weights."
        return "Undo the change, or start over with --fresh." if grade == REFUSE else weights
    if grade == REFUSE:
        return "Undo the change, or use another folder (ORCHESTRATOR_FOLDER) to start over."
    model = folder / CHECKPOINTS / (card.stem + MODEL_SUFFIX)
    return (
        "Undo the change, or use another folder (ORCHESTRATOR_FOLDER) to start over; there, "
        f"`orchestrator adopt {model} --script SCRIPT` starts from its weights."
    )


def _grade_adopted(card: CheckpointCard, current: Mapping[str, Any]) -> ResumeGrade:
    """Grade of a start from an adopted model. The user chose it, so no floor applies; its card states little."""
    assert card.adopted is not None
    stated = {key: value for key, value in current.items() if key in card.identity}
    refused = [str(one) for one in differences(card.identity, stated) if one.grade == REFUSE]
    if refused:
        raise SessionRefused(f"the adopted model {card.adopted['file']} cannot be used: {'; '.join(refused)}")
    return ResumeGrade(grade=WEIGHTS_ONLY, reasons=(adopted_line(card.adopted),))


def _bound(values: np.ndarray) -> str | list[str]:
    texts = [repr(float(value)) for value in values.ravel()]
    return texts[0] if len(set(texts)) == 1 else texts
