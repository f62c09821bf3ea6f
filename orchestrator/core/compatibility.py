"""May this checkpoint continue that training? Decided reason by reason, before anything is spent or unpickled."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from orchestrator.core.lineages import Lineage


class Grade(IntEnum):
    """How exact a resume is; a higher one is better."""

    REFUSE = 0
    WEIGHTS_ONLY = 1
    STATISTICAL = 2
    EXACT = 3

    @property
    def word(self) -> str:
        """As in cards, flags and reports."""
        return self.name.lower().replace("_", "-")


def worse_grade(one: str | None, other: str | None) -> str | None:
    """The less exact of two grades by their words; None says nothing."""
    words = [word for word in (one, other) if word is not None]
    return min(words, key=[grade.word for grade in Grade].index) if words else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """One difference between a checkpoint and the training that would continue it."""

    label: str
    checkpoint: Any
    current: Any
    grade: Grade

    def __str__(self) -> str:
        return f"{self.label}: checkpoint={self.checkpoint}, current={self.current}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Compatibility:
    """All differences, and the grade that the worst of them leaves."""

    reasons: tuple[Reason, ...]

    @property
    def grade(self) -> Grade:
        """The lowest grade of any reason; exact without reasons."""
        return min((reason.grade for reason in self.reasons), default=Grade.EXACT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Intended:
    """The training that a checkpoint would continue, as far as it is known before a session.

    Attributes:
        versions: Library -> version in the coming session, where known; unknown ones are left to the kernel.
        device_class: `cpu` or `cuda`, None if only the kernel can tell.
    """

    lineage: Lineage
    code_digest: str
    versions: Mapping[str, str]
    device_class: str | None


def compare(identity: Mapping[str, Any], intended: Intended) -> Compatibility:
    """Compare a card's identity with the training that is to continue it.

    Args:
        identity: As the kernel wrote it into the card.
        intended: What the next session will be.
    """
    return Compatibility(reasons=tuple(_reasons(identity, intended)))


def _reasons(identity: Mapping[str, Any], intended: Intended) -> Iterator[Reason]:
    lineage = intended.lineage
    whole: tuple[tuple[str, str, Any, Any], ...] = (
        ("Section", "section", identity.get("section"), lineage.section),
        ("Algorithm", "algorithm", identity.get("algorithm"), lineage.algorithm),
        ("Architecture", "network", identity.get("network"), list(lineage.network)),
        ("Seed", "seed", identity.get("seed"), lineage.seed),
    )
    for label, _, checkpoint, current in whole:
        if checkpoint != current:
            yield Reason(label=label, checkpoint=checkpoint, current=current, grade=Grade.REFUSE)
    yield from _entries("Environment", identity.get("environment"), lineage.environment, Grade.REFUSE)
    yield from _entries("Hyper-parameter", identity.get("hyper_parameters"), lineage.hyper_parameters, Grade.REFUSE)
    versions = identity.get("versions")
    known = versions if isinstance(versions, Mapping) else {}
    for library, version in sorted(intended.versions.items()):
        if known.get(library) != version:
            yield Reason(
                label=f"Version of {library}",
                checkpoint=known.get(library),
                current=version,
                grade=Grade.STATISTICAL,
            )
    if intended.device_class is not None and identity.get("device_class") != intended.device_class:
        yield Reason(
            label="Device",
            checkpoint=identity.get("device_class"),
            current=intended.device_class,
            grade=Grade.STATISTICAL,
        )
    if identity.get("code_digest") != intended.code_digest:
        yield Reason(
            label="Code",
            checkpoint=str(identity.get("code_digest"))[:12],
            current=intended.code_digest[:12],
            grade=Grade.STATISTICAL,
        )


def _entries(label: str, checkpoint: Any, current: Mapping[str, Any], grade: Grade) -> Iterator[Reason]:
    """Differences key by key, nested keys with dots."""
    before = _flat(checkpoint) if isinstance(checkpoint, Mapping) else {}
    after = _flat(current)
    for key in sorted(before.keys() | after.keys()):
        if before.get(key) != after.get(key):
            yield Reason(label=f"{label} {key}", checkpoint=before.get(key), current=after.get(key), grade=grade)


def _flat(block: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in block.items():
        if isinstance(value, Mapping):
            flat.update(_flat(value, f"{prefix}{key}."))
        else:
            flat[prefix + key] = value
    return flat
