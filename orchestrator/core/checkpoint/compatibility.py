"""Decides whether a checkpoint may continue a training, before any session starts and without unpickling."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from orchestrator.core.section.lineage import Lineage
from orchestrator.kernel.checkpoint.card import CheckpointCard
from orchestrator.kernel.checkpoint.resume_grade import Difference, differences, worst


class Grade(IntEnum):
    """How exact a resume is; higher is better. The words are those of `kernel.checkpoint.resume_grade`."""

    REFUSE = 0
    WEIGHTS_ONLY = 1
    STATISTICAL = 2
    EXACT = 3

    @property
    def word(self) -> str:
        """Its name in cards, options and reports."""
        return self.name.lower().replace("_", "-")

    @classmethod
    def of(cls, word: str) -> Grade:
        """The grade with this name.

        Raises:
            KeyError: There is no such grade.
        """
        return cls[word.upper().replace("-", "_")]


def worse_grade(one: str | None, other: str | None) -> str | None:
    """The less exact of two grades, given by name; None counts as unknown."""
    words = [word for word in (one, other) if word is not None]
    return worst(words) if words else None


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
    """All differences between a checkpoint and a training.

    Attributes:
        left_to_kernel: What is unknown before the session; the kernel compares it before it trains.
    """

    reasons: tuple[Reason, ...]
    left_to_kernel: tuple[str, ...] = ()

    @property
    def grade(self) -> Grade:
        """The lowest grade among the reasons; exact without reasons."""
        return min((reason.grade for reason in self.reasons), default=Grade.EXACT)

    def below(self, floor: Grade) -> tuple[str, ...]:
        """The reasons with a grade below `floor`."""
        return tuple(str(reason) for reason in self.reasons if reason.grade < floor)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON form."""
        return {
            "grade": self.grade.word,
            "reasons": [{"reason": str(reason), "grade": reason.grade.word} for reason in self.reasons],
            "left_to_kernel": list(self.left_to_kernel),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Intended:
    """The training that a checkpoint would continue, as far as it is known before a session.

    Attributes:
        versions: Library -> version in the coming session; unknown ones are compared by the kernel.
        device_class: `cpu` or `cuda`, None if unknown before the session.
        horizon_steps: Target of the whole training, if a schedule spans it.
    """

    lineage: Lineage
    code_digest: str
    versions: Mapping[str, str]
    device_class: str | None
    horizon_steps: int | None = None

    def identity(self) -> dict[str, Any]:
        """The known part of the identity in the checkpoints of that session."""
        lineage = {key: value for key, value in self.lineage.to_json().items() if key not in self.lineage.own}
        own = {"own": dict(self.lineage.own)} if self.lineage.own else {}
        known = {**lineage, **own, "versions": dict(self.versions), "code_digest": self.code_digest}
        if self.horizon_steps is not None:
            known["horizon_steps"] = self.horizon_steps
        return known if self.device_class is None else {**known, "device_class": self.device_class}


def compare(
    identity: Mapping[str, Any], intended: Intended, *, has_state: bool = True, lineage_id: str | None = None
) -> Compatibility:
    """Compare a card's identity with the training that is to continue it.

    Args:
        identity: From the checkpoint's card.
        intended: The next session.
        has_state: Whether the checkpoint has a state file besides its weights.
        lineage_id: Of the training that wrote the checkpoint. If it is the intended one, the section's own keys are
            equal, even if the identity does not name them.
    """
    if "own" not in identity and intended.lineage.own and lineage_id == intended.lineage.id:
        identity = {**identity, "own": intended.lineage.own}
    lost = [
        Reason(label="State", checkpoint=f"without {what}", current="whole", grade=Grade.STATISTICAL)
        for what in identity.get("lost_state", ())
    ]
    stateless = Reason(label="State", checkpoint="weights only", current="full state", grade=Grade.WEIGHTS_ONLY)
    current = intended.identity()
    if "own" in identity:
        current.setdefault("own", {})  # the card's own keys may have been removed
    # Equal blocks, the usual case, need no comparison key by key. A key that the card lacks counts as different, except
    # for a part that the section does not have.
    other = {
        key: now
        for key, now in current.items()
        if (identity[key] != now if key in identity else now not in (None, {}, []))
    }
    unknown = ["spaces"]
    if not intended.versions:
        unknown.append("versions")
    if intended.device_class is None:
        unknown.append("device")
    return Compatibility(
        reasons=(
            *(_reason(found) for found in differences(identity, other)),
            *lost,
            *(() if has_state else (stateless,)),
        ),
        left_to_kernel=tuple(unknown),
    )


def compare_checkpoint(card: CheckpointCard, intended: Intended) -> Compatibility:
    """Compare a verified checkpoint with the training that is to continue it.

    The card of an adopted model states little: only what it states can refuse it, and its grade is `weights-only`.
    """
    if card.adopted is None or not card.is_adopted_model:
        return compare(card.identity, intended, has_state=card.has_state, lineage_id=card.lineage_id)
    stated = {key: now for key, now in intended.identity().items() if key in card.identity}
    refused = [_reason(found) for found in differences(card.identity, stated) if found.grade == Grade.REFUSE.word]
    weights = Reason(
        label="State",
        checkpoint=f"weights adopted from {card.adopted['file']}",
        current="full state",
        grade=Grade.WEIGHTS_ONLY,
    )
    return Compatibility(reasons=(*refused, weights), left_to_kernel=("spaces", "network"))


_LABELS: Mapping[str, str] = {
    "section": "Section",
    "algorithm": "Algorithm",
    "network": "Architecture",
    "seed": "Seed",
    "environment": "Environment",
    "own": "Setting",
    "hyper_parameters": "Hyper-parameter",
    "versions": "Version of",
    "device_class": "Device",
    "horizon_steps": "Target of a schedule over the whole training",
    "code_digest": "Code",
}
_SHOWN_DIGITS = 12


def _reason(found: Difference) -> Reason:
    """A difference in terms that users know."""
    key, _, rest = found.path.partition(".")
    was, now = found.checkpoint, found.current
    if key == "code_digest":
        was, now = str(was)[:_SHOWN_DIGITS], str(now)[:_SHOWN_DIGITS]
    return Reason(label=f"{_LABELS[key]} {rest}".strip(), checkpoint=was, current=now, grade=Grade.of(found.grade))
