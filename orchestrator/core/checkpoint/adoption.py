"""A learned model from elsewhere as the first checkpoint of a lineage: its facts, its card, and how it is shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

from orchestrator.core.errors import BadInput
from orchestrator.core.section.card import MOST_STEPS, SectionCard
from orchestrator.kernel.checkpoint.card import CheckpointCard
from orchestrator.kernel.wire import MODEL_SUFFIX, NORMALIZATION_SUFFIX, FileEntry, checkpoint_stem

ADOPTED_RUN = "adopted"
"""Run id in the stamp of an adopted checkpoint: no run made it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignModel:
    """A model file of stable-baselines3 that this project did not train.

    Attributes:
        content: The bytes of the zip.
        normalization: The bytes of the statistics file beside it, None without one.
        file: Its name.
        origin: The last parts of its path; never the user's home folder.
        algorithm: As its description shows, in upper case; None if unknown.
        steps: Steps that its description states; None if it states none.
        notes: What the user should know about the choice of the file and about normalization.
    """

    content: bytes
    sha256: str
    normalization: bytes | None
    file: str
    origin: str
    algorithm: str | None
    steps: int | None
    notes: tuple[str, ...] = ()


def steps_of(model: ForeignModel, given: int | None) -> int:
    """Steps with which the lineage begins: the user's number, else the model's.

    Raises:
        BadInput: There is none, or it is out of range.
    """
    steps = model.steps if given is None else given
    if steps is None:
        raise BadInput(
            f"{model.file} does not state how many steps it was trained",
            remedy="Give --steps N; 0 counts from the start.",
        )
    if not 0 <= steps <= MOST_STEPS:
        raise BadInput(f"--steps must be between 0 and {MOST_STEPS}, not {steps}", remedy="Give --steps N.")
    return steps


def require_algorithm(model: ForeignModel, card: SectionCard) -> None:
    """Refuse a model of another algorithm than the section's, as far as both are known.

    Raises:
        BadInput: It is of another one.
    """
    if card.algorithm is None or model.algorithm in (None, card.algorithm):
        return
    declared = model.algorithm in card.algorithms.names
    other = f"Add --algorithm {model.algorithm}: " if declared else "Adopt a model of the section's algorithm: "
    known = ", ".join(card.algorithms.names)
    raise BadInput(
        f"{model.file} is a model of {model.algorithm}, but {card.section} trains {card.algorithm}",
        remedy=f"{other}{card.section} declares {known}.",
    )


def adopted_card(
    model: ForeignModel,
    *,
    scenario: str,
    steps: int,
    identity: Mapping[str, Any],
    section: str,
    lineage_id: str,
    nonce: str,
    now: datetime,
) -> CheckpointCard:
    """The card of the adopted checkpoint.

    Args:
        identity: What is known to hold for the model: section, lineage, seed, and the algorithm of a section.
    """
    stem = checkpoint_stem(scenario, steps)
    entries = [FileEntry(path=stem + MODEL_SUFFIX, size_bytes=len(model.content), sha256=model.sha256)]
    if model.normalization is not None:
        entries.append(_entry(stem + NORMALIZATION_SUFFIX, model.normalization))
    return CheckpointCard(
        stem=stem,
        scenario=scenario,
        steps=steps,
        files=tuple(entries),
        identity=dict(identity),
        stamp={
            "run_id": ADOPTED_RUN,
            "session": 0,
            "attempt": 0,
            "nonce": nonce,
            "section": section,
            "lineage_id": lineage_id,
        },
        saved_at=now.isoformat(),
        adopted={
            "file": model.file,
            "origin": model.origin,
            "sha256": model.sha256,
            "steps": steps,
            "algorithm": model.algorithm,
        },
    )


def section_identity(card: SectionCard) -> dict[str, Any]:
    """What the card of a model that a section adopts states: enough to refuse it in another section or algorithm."""
    return {
        "section": card.section,
        "lineage_id": card.lineage.id,
        "seed": card.seed,
        **({"algorithm": card.algorithm} if card.algorithm else {}),
    }


def _entry(path: str, content: bytes) -> FileEntry:
    return FileEntry(path=path, size_bytes=len(content), sha256=sha256(content).hexdigest())
