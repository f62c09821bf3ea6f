"""How a session ends, as the kernel itself can tell it. Three answers, never one: ending, exit code, verdict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, ClassVar


class KernelEnding(StrEnum):
    """End reasons that a living kernel writes into its manifest."""

    FINISHED = "finished"
    PAUSED = "paused"
    STOPPED = "stopped"
    SECTION_FAILED = "section_failed"
    REFUSED = "refused"
    CARRIER_MISSING = "carrier_missing"
    DISK_FULL = "disk_full"
    CHECKPOINT_UNUSABLE = "checkpoint_unusable"


EXIT_CODES: Mapping[KernelEnding, int] = {
    KernelEnding.FINISHED: 0,
    KernelEnding.PAUSED: 0,
    KernelEnding.STOPPED: 0,
    KernelEnding.SECTION_FAILED: 1,
    KernelEnding.REFUSED: 2,
    KernelEnding.CARRIER_MISSING: 2,
    KernelEnding.DISK_FULL: 28,
    KernelEnding.CHECKPOINT_UNUSABLE: 2,
}
"""The kernel's exit code is the section's: a section that fails must never look like a success.

A full disk has a code of its own (that of the system's ENOSPC), since it may leave no room for a manifest.
"""


class Verdict(StrEnum):
    """What the science says. `INVALID` means that the numbers must not be believed at all."""

    SUPPORTED = "supported"
    NOT_SUPPORTED = "not_supported"
    INCONCLUSIVE = "inconclusive"
    INVALID = "invalid"


class SessionRefused(Exception):
    """The session must not start: wrong code, wrong checkpoint, leftovers in the output folder.

    Attributes:
        ending: What the manifest says.
        remedy: What would help, as a sentence; may be empty.
    """

    ending: ClassVar[KernelEnding] = KernelEnding.REFUSED

    def __init__(self, cause: str, *, remedy: str = "") -> None:
        super().__init__(cause)
        self.remedy = remedy

    @property
    def account(self) -> str:
        """Cause and remedy, for the log and the manifest."""
        return "\n".join(filter(None, (str(self), self.remedy)))


class CarrierMissing(SessionRefused):
    """The promised checkpoints did not arrive, or arrived damaged: the carrier's fault, so another try may do."""

    ending: ClassVar[KernelEnding] = KernelEnding.CARRIER_MISSING


class CheckpointUnusable(SessionRefused):
    """The newest checkpoint is whole, and no training can go on from it; an earlier one may be sound."""

    ending: ClassVar[KernelEnding] = KernelEnding.CHECKPOINT_UNUSABLE


@dataclass(frozen=True, slots=True, kw_only=True)
class SectionOutcome:
    """What a section's entry point returns.

    Attributes:
        ending: `FINISHED` at the target, `PAUSED` at the deadline, `STOPPED` when asked to leave.
        steps_start: Environment steps before the session, None for a section without checkpoints.
        steps_done: Environment steps after it.
        verdict: What the science says, None while there is nothing to judge (a paused session).
        verdict_reasons: Why, one sentence each.
        resumed_from: Digest of the checkpoint that was resumed, None for a beginning.
        resume_grade: `exact` or `statistical`, None for a beginning.
        resume_reasons: Why the resume is not exact.
        training: Facts that the guards need (gradient updates, policy digests ...), plain JSON.
        summary: Headline numbers of the science, plain JSON.
        runtime: Versions and device that the section really used.
    """

    ending: KernelEnding
    steps_start: int | None = None
    steps_done: int | None = None
    verdict: Verdict | None = None
    verdict_reasons: tuple[str, ...] = ()
    resumed_from: str | None = None
    resume_grade: str | None = None
    resume_reasons: tuple[str, ...] = ()
    training: Mapping[str, Any] = field(default_factory=dict)
    summary: Mapping[str, Any] = field(default_factory=dict)
    runtime: Mapping[str, Any] = field(default_factory=dict)
