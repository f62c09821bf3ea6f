"""What the ledger knows of runs and sessions: rows computed from events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Any, TypeVar

from orchestrator.core.section.session_kind import SessionKind
from orchestrator.core.session.end_reason import EndReason
from orchestrator.kernel.wire import checkpoint_steps

GONE = "gone: "
"""Prefix of the native state of a session that no longer existed on the backend when it was looked for."""


class Stage(StrEnum):
    """The stages of a session, in order."""

    PLANNED = "planned"
    SUBMITTED = "submitted"
    ENDED = "ended"
    FETCHED = "fetched"
    JUDGED = "judged"
    CLOSED = "closed"


class AskedBy(StrEnum):
    """Who asked a session to stop."""

    USER = "user"
    CAMPAIGN = "campaign"
    """Its line was removed from the campaign's file: the training itself has not failed."""
    SEARCH = "search"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """One run: the training of a lineage to a target.

    Attributes:
        target_steps: Where it ends, None if the section decides.
        fresh: Whether it archived earlier checkpoints to start over.
        code_digest: Of the code of its latest session; of the code at its start before the first one.
        question: `question_of` the criteria and scenarios of its latest session; at its start, of the run's own.
        no_claim: Whether it finished without a verdict because its section draws no conclusion.
        campaign: Campaign that started it; empty for a user's `run`, None if unknown: recovered, or an old ledger.
        wall_s: Wall seconds of its closed sessions, as the kernels measured them where known.
        trained_steps: Steps trained by these sessions, including steps that were lost again.
        failed_in_row: How many of its latest sessions in a row failed and left nothing.
        failed_at: When the last of these ended, None if unknown.
        walks: Its walks back, oldest first: steps of the abandoned checkpoint, and key of the session whose end was
            the reason.
    """

    run_id: str
    section: str
    lineage_id: str
    profile: str
    backend: str
    steps_start: int
    steps_done: int
    started_at: str
    target_steps: int | None = None  # a row leaves out None
    end_reason: str | None = None
    verdict: str | None = None
    no_claim: bool = False
    ended_at: str | None = None
    sessions: int = 0
    fresh: bool = False
    code_digest: str | None = None
    question: str | None = None
    campaign: str | None = None
    wall_s: float = 0.0
    trained_steps: int = 0
    failed_in_row: int = 0
    failed_at: str | None = None
    walks: tuple[tuple[int, str], ...] = ()

    @property
    def evaluated(self) -> bool:
        """Whether it has the section's result: a verdict, or no claim."""
        return self.verdict is not None or self.no_claim


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRecord:
    """One attempt at one session.

    Attributes:
        key: `{run_id}/s{NN}a{N}`.
        ticket: The ticket as pushed; enough to recognise and judge the session after a crash of this program.
        no_claim: Whether it finished without a verdict because its section draws no conclusion.
        restored: Names of the checkpoint files that its restore put in place.
        models_steps: Steps in place when it was closed.
        missed_at: When a look first failed to find it; None while it is found.
        lost: Earlier pushes of this name whose answer was lost and that never became sessions.
        score: Best evaluation of the training so far, as the section reports it.
        wall_s: Seconds that it took, from its manifest.
        curve: Its evaluations, oldest first: steps, and score as the section reports it.
        numbers: Numbers of its summary, nested keys joined with dots; None if it was not evaluated, or was judged
            before the ledger stored them.
        recovered: Whether it was found on the backend and not submitted from this ledger.
        begun_at: When it began by the backend's clock, for a recovered session; None if unknown.
        started_at: When it began, from its manifest; None without one.
        ended_at: When it ended, from its manifest; None without one.
        campaign: Campaign that pushed it; empty for a user's `run`, None if unknown: recovered, or an old ledger.
        doubts: Open questions by `settling.Doubt`: since when, and how many commands have waited for an answer.
        lacking: Outputs that could not be fetched when it was judged, relative paths.
        machine: Image and machine, as `session.machine.Machine`: as asked for, then as read back after its end. None
            if the backend has no choice of them, or in an old ledger.
        session_id: The backend's own number of it, which a cancel needs; None until its log has shown it.
        stop_asked_by: Who asked it to stop (`AskedBy`); None if its end is its own.
        swept: Whether its kernel was deleted on the backend because everything it made is verified and in place here.
        kernel: Name of the kernel that it shares with other sessions, its pack; None for a session alone.
        kernel_sessions: Number of sessions in its kernel.
    """

    key: str
    run_id: str
    lineage_id: str
    session: int
    attempt: int
    slug: str
    backend: str
    nonce: str
    ticket: Mapping[str, Any]
    stage: Stage
    planned_at: str
    carrier: str = "none"
    handle: str | None = None
    native: str | None = None
    observed_exit_code: int | None = None
    observed_reason: str | None = None
    results_dir: str | None = None
    end_reason: str | None = None
    exit_code: int | None = None
    verdict: str | None = None
    no_claim: bool = False
    steps_start: int | None = None
    steps_done: int | None = None
    resume_grade: str | None = None
    resume_reasons: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    restored: tuple[str, ...] = ()
    models_steps: int | None = None
    missed_at: str | None = None
    lost: int = 0
    score: float | None = None
    wall_s: float | None = None
    curve: tuple[tuple[int, float], ...] = ()
    numbers: Mapping[str, float] | None = None
    recovered: bool = False
    begun_at: str | None = None
    started_at: str | None = None
    ended_at: str | None = None
    campaign: str | None = None
    doubts: Mapping[str, Mapping[str, Any]] | None = None
    lacking: tuple[str, ...] = ()
    machine: Mapping[str, Any] | None = None
    session_id: int | None = None
    stop_asked_by: str | None = None
    swept: bool = False
    kernel: str | None = None
    kernel_sessions: int = 1

    @property
    def kernel_slug(self) -> str:
        """Name of its kernel on the backend."""
        return self.kernel or self.slug

    @property
    def target_steps(self) -> int | None:
        """Target of the training when it was pushed, None if its section decides."""
        target: int | None = self.ticket.get("spec", {}).get("target_steps")
        return target

    @property
    def evaluated(self) -> bool:
        """Whether it finished with the section's result: a verdict, or no claim."""
        return self.end_reason == EndReason.FINISHED and (self.verdict is not None or self.no_claim)

    @property
    def began_at(self) -> datetime:
        """The best known start time. A recovered session may have been entered here weeks after it ran."""
        return datetime.fromisoformat(self.started_at or self.begun_at or self.planned_at)

    @property
    def input_steps(self) -> int:
        """Steps of the newest checkpoint among its inputs, 0 without one."""
        stems = (PurePosixPath(entry["path"]).stem for entry in self.ticket.get("inputs", ()))
        return max((checkpoint_steps(stem) or 0 for stem in stems), default=0)

    @property
    def steps_begun(self) -> int | None:
        """Steps from which it continued: from its manifest, else those of its newest input checkpoint.

        None if it never ran. A session that was killed before it wrote a manifest has trained too.
        """
        if self.steps_start is not None or self.handle is None or self.never_submitted:
            return self.steps_start
        return self.input_steps

    @property
    def kind(self) -> SessionKind | None:
        """Kind of session, None if its machine is unknown: another backend than Kaggle, or an old ledger."""
        if self.machine is None:
            return None
        return SessionKind.GPU if self.machine.get("accelerator") else SessionKind.CPU

    @property
    def spends_quota(self) -> bool:
        """Whether its hours count against the weekly quota; those of an unknown machine do."""
        return self.kind is not SessionKind.CPU

    @property
    def never_submitted(self) -> bool:
        """Whether it is closed and never existed on the backend, so its name may be used again."""
        return self.stage is Stage.CLOSED and self.end_reason == EndReason.NEVER_SUBMITTED

    @property
    def gone(self) -> bool:
        """Whether it no longer existed on the backend; another computer may have reused its name."""
        return self.stage is Stage.CLOSED and (self.native or "").startswith(GONE)

    @property
    def lost_pushes(self) -> int:
        """Lost pushes of this name, the last one included. A push that was refused is not lost."""
        return self.lost + (self.never_submitted and not self.problems)


def reaches(record: RunRecord | SessionRecord, target_steps: int | None) -> bool:
    """Whether a run or session that finished well is at the end of a training to this target, None without one.

    At the same target it is, with any steps: its section has declared the training finished.
    """
    return record.target_steps == target_steps or (
        target_steps is not None and (record.steps_done or 0) >= target_steps
    )


def session_key(run_id: str, session: int, attempt: int) -> str:
    """Key of a session's row."""
    return f"{run_id}/s{session:02d}a{attempt}"


Record = TypeVar("Record", RunRecord, SessionRecord)
