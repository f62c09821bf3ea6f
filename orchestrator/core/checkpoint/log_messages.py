"""The `[CHECKPOINT]` lines that users rely on. Their text never changes, only the values in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

TAG = "[CHECKPOINT]"
DELETE_REMEDY = "Delete checkpoints to start fresh"


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoredFile:
    """One restored checkpoint: file name and size."""

    name: str
    size_bytes: int


def restoration(files: Sequence[RestoredFile]) -> tuple[str, ...]:
    """What a successful restore prints."""
    return (
        f"{TAG} ====== CHECKPOINT RESTORATION ======",
        f"{TAG} Found {len(files)} checkpoint(s) to restore:",
        *(f"{TAG}   ✓ {file.name} ({file.size_bytes / 1e6:.1f} MB)" for file in files),
        f"{TAG} ✅ Successfully restored {len(files)} file(s)",
    )


def nothing_found(source: str) -> tuple[str, ...]:
    """What is printed when a session made no checkpoint."""
    return (
        f"{TAG} No checkpoints found in {source}",
        f"{TAG} This is normal for first run or if training didn't reach checkpoint threshold",
    )


def incompatibility(reasons: Sequence[str], recommendation: str = DELETE_REMEDY) -> tuple[str, ...]:
    """What is printed when a checkpoint may not be resumed."""
    return (
        f"{TAG} ⚠️  INCOMPATIBILITY DETECTED:",
        *(f"{TAG}   - {reason}" for reason in reasons),
        f"{TAG} Recommendation: {recommendation}",
    )


def unusable(faults: Mapping[str, str]) -> tuple[str, ...]:
    """What is printed about unusable checkpoints."""
    return tuple(f"{TAG} ⚠️  {stem} is not usable: {fault}" for stem, fault in faults.items())


def walked_back(faults: Mapping[str, str], kept: str) -> tuple[str, ...]:
    """What is printed when the newest checkpoint is damaged and an older one is used."""
    return (*unusable(faults), f"{TAG} Walking back to {kept}")
