"""What the ledger knows of a run and of a session: rows that are nothing but a fold of events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


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


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRecord:
    """One attempt at one session.

    Attributes:
        key: `{run_id}/s{NN}a{N}`.
        ticket: The ticket as pushed, enough to recognise and judge the session after a crash of this program.
        restored: Names of the checkpoint files that its restore put in place.
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


def session_key(run_id: str, session: int, attempt: int) -> str:
    """Key of a session's row."""
    return f"{run_id}/s{session:02d}a{attempt}"
