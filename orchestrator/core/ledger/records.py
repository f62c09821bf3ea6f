"""What the ledger knows of a run and of a session: rows that are nothing but a fold of events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Any, TypeVar

from orchestrator.core.session.end_reason import EndReason
from orchestrator.kernel.wire import checkpoint_steps

GONE = "gone: "
"""How the native word begins of a session of which nothing was left over there when it was looked for."""


class Stage(StrEnum):
    """How far a session has been carried, in order."""

    PLANNED = "planned"
    SUBMITTED = "submitted"
    ENDED = "ended"
    FETCHED = "fetched"
    JUDGED = "judged"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """One run: a lineage on its way to a target.

    Attributes:
        fresh: Whether it put earlier checkpoints aside to begin anew.
        code_digest: Of the code that its latest session ran, or that it began with.
        question: `question_of` criteria and scenarios that its latest session was asked, or that it began with.
        campaign: Which one began it; empty by hand, None where nobody knows: read back, or begun before this was kept.
        wall_s: Wall seconds of its closed sessions, by the kernels' own account where there is one.
        trained_steps: Steps that these sessions trained, those lost again included.
        failed_in_row: So many of its last sessions failed and left nothing.
        failed_at: When the last of these ended, None where nobody knows.
        walks: Its walks back, oldest first: steps of the checkpoint that was left, and key of the lineage's session
            whose end was the reason.
    """

    run_id: str
    section: str
    lineage_id: str
    profile: str
    backend: str
    target_steps: int
    steps_start: int
    steps_done: int
    started_at: str
    end_reason: str | None = None
    verdict: str | None = None
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


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRecord:
    """One attempt at one session.

    Attributes:
        key: `{run_id}/s{NN}a{N}`.
        ticket: The ticket as pushed, enough to recognise and judge the session after a crash of this program.
        restored: Names of the checkpoint files that its restore put in place.
        models_steps: Steps in place when it was closed.
        missed_at: When it was first looked for in vain, None while it is seen.
        lost: Earlier pushes under this very name whose answer was lost and which never came to be.
        score: Best evaluation of the training so far, as the section tells it.
        wall_s: Seconds that it took by its own account.
        curve: Its evaluations, oldest first: steps, and score as the section tells it.
        numbers: Numbers of its summary, nested keys joined with dots; None where it was not evaluated, or was judged
            before the ledger kept them.
        recovered: Whether it was read back from the far side: this ledger had not submitted it.
        begun_at: When it began by the far side's clock, of one that was taken up from there; None if that did not tell.
        started_at: When it began by its own account, None without one.
        ended_at: When it ended by its own account, None without one.
        campaign: Which one pushed it; empty by hand, None where nobody knows: read back, or from before this was kept.
        doubts: What another look may settle, by `settling.Doubt`: since when, and how many commands waited in vain.
        lacking: Outputs that could not be had when it was judged, relative paths.
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

    @property
    def began_at(self) -> datetime:
        """When it began, as well as anybody knows: one that was taken up may have been planned here weeks later."""
        return datetime.fromisoformat(self.started_at or self.begun_at or self.planned_at)

    @property
    def steps_begun(self) -> int | None:
        """Steps from which it went on: by its own account, else those of the newest checkpoint that it was given.

        None for one that never ran. One that was killed without an account has trained all the same.
        """
        if self.steps_start is not None or self.handle is None or self.never_submitted:
            return self.steps_start
        stems = (PurePosixPath(entry["path"]).stem for entry in self.ticket.get("inputs", ()))
        return max((checkpoint_steps(stem) or 0 for stem in stems), default=0)

    @property
    def never_submitted(self) -> bool:
        """Whether it is closed and never came into being over there: its name may be used again."""
        return self.stage is Stage.CLOSED and self.end_reason == EndReason.NEVER_SUBMITTED

    @property
    def gone(self) -> bool:
        """Whether nothing of it was left over there: another computer may have used its name again."""
        return self.stage is Stage.CLOSED and (self.native or "").startswith(GONE)

    @property
    def lost_pushes(self) -> int:
        """Pushes under this name that were lost, the last one included. One that was refused for now is not lost."""
        return self.lost + (self.never_submitted and not self.problems)


def session_key(run_id: str, session: int, attempt: int) -> str:
    """Key of a session's row."""
    return f"{run_id}/s{session:02d}a{attempt}"


Record = TypeVar("Record", RunRecord, SessionRecord)
