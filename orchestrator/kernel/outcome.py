"""How a session ends, as the kernel reports it, in three separate fields: ending, exit code, verdict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, ClassVar


class KernelEnding(StrEnum):
    """End reasons that the kernel writes into its manifest."""

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
"""Exit code of the kernel process for each ending.

A full disk has its own code (28, the value of ENOSPC on Linux), since there may be no room for a manifest.
"""


MORE_TO_DO = 75
"""Exit code of a script that saved and left before its target: start it again. `EX_TEMPFAIL` of sysexits.h."""


class Verdict(StrEnum):
    """Scientific result of a section. `INVALID` means that its numbers must not be used."""

    SUPPORTED = "supported"
    NOT_SUPPORTED = "not_supported"
    INCONCLUSIVE = "inconclusive"
    INVALID = "invalid"


class LeftTraining(Exception):
    """Raised to leave a training at a point where its state is saved, to the end of the `with` of its session."""


class LeftEarly(Exception):
    """The section's code left its training before the target without being asked to, so it would do so each time."""


class SessionRefused(Exception):
    """The session must not start: wrong code, wrong checkpoint, or old results in the output folder.

    Attributes:
        ending: End reason for the manifest.
        remedy: What the user can do, as a sentence; may be empty.
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
    """The promised checkpoints are missing or damaged: a fault of the transport, so a retry may succeed."""

    ending: ClassVar[KernelEnding] = KernelEnding.CARRIER_MISSING


class CheckpointUnusable(SessionRefused):
    """The newest checkpoint is complete, but training cannot continue from it; an earlier one may be usable."""

    ending: ClassVar[KernelEnding] = KernelEnding.CHECKPOINT_UNUSABLE


@dataclass(frozen=True, slots=True, kw_only=True)
class SectionOutcome:
    """Return value of a section's entry point.

    Attributes:
        ending: `FINISHED` at the target, `PAUSED` at the deadline, `STOPPED` on request.
        steps_start: Environment steps before the session, None for a section without checkpoints.
        steps_done: Environment steps after it.
        verdict: Scientific result, None while there is none (a paused session).
        claim: Whether the section draws a conclusion at its target. False: it only trains, and ends without a
            verdict. None: it does if its card declares criteria.
        verdict_reasons: Reasons for the verdict, one sentence each.
        resumed_from: Digest of the checkpoint that was resumed, None for a fresh training.
        resume_grade: Grade of the resume (`exact`, `statistical`, `weights-only`), None for a fresh training.
        resume_reasons: Why the resume is not exact.
        training: Facts for the orchestrator's checks (gradient updates, policy digests ...), plain JSON.
        summary: Main scientific numbers, plain JSON.
        runtime: Versions and device that the section used.
    """

    ending: KernelEnding
    steps_start: int | None = None
    steps_done: int | None = None
    verdict: Verdict | None = None
    verdict_reasons: tuple[str, ...] = ()
    claim: bool | None = None
    resumed_from: str | None = None
    resume_grade: str | None = None
    resume_reasons: tuple[str, ...] = ()
    training: Mapping[str, Any] = field(default_factory=dict)
    summary: Mapping[str, Any] = field(default_factory=dict)
    runtime: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.verdict is not None:
            object.__setattr__(self, "verdict", Verdict(self.verdict))  # a script gives it as a text
        if self.claim is False and self.verdict is not None:
            raise ValueError(f"claim=False and verdict {self.verdict.value!r} contradict each other: leave out one")

    def makes_no_claim(self, spec: Mapping[str, Any]) -> bool:
        """Whether the training is complete without a verdict, because the section draws no conclusion.

        Args:
            spec: Of the session; its `criteria` are those of the section's card.
        """
        claims = bool(spec.get("criteria")) if self.claim is None else self.claim
        return self.ending is KernelEnding.FINISHED and self.verdict is None and not claims
