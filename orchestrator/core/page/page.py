"""The page of a run, a section, a campaign or a whole project, as values. The script of the page reads their JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from orchestrator.core.page.sessions import Session, Week
from orchestrator.core.page.source import Source
from orchestrator.core.page.training import Training

SCHEMA = 1
"""Version of the JSON; the script of the page refuses another one."""


class Subject(StrEnum):
    """What a page is about."""

    RUN = "run"
    SECTION = "section"
    CAMPAIGN = "campaign"
    PROJECT = "project"


@dataclass(frozen=True, slots=True, kw_only=True)
class Headline:
    """The answer, which stands first.

    Attributes:
        verdict: `supported`, `not_supported`, `inconclusive`, `invalid`, `no claim`, `unfinished`, or empty if there is
            no training yet.
        text: One sentence.
        lines: The sentences of the verdict with their intervals; may be empty.
        source: Session, digest and command from which the numbers come.
    """

    verdict: str
    text: str
    lines: tuple[str, ...] = ()
    source: Source | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """One number of a variant over its seeds.

    Attributes:
        variant: Label that the seeds share.
        measure: Name of the number.
        n: Number of trainings.
        low: Lower end of the 95 % interval, None for a single training.
        high: Upper end.
        source: Its newest session.
    """

    variant: str
    measure: str
    n: int
    mean: float
    low: float | None
    high: float | None
    source: Source


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A picture that a session wrote.

    Attributes:
        title: Its name without extension.
        media_type: `image/png`, `image/gif` or `image/svg+xml`.
        data: The file in base64.
        source: The session that drew it.
    """

    title: str
    media_type: str
    data: str
    source: Source


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Everything that the page shows.

    Attributes:
        title: Of the window and of the first line.
        made_at: ISO time, UTC.
        command: The command that makes the page again.
        trainings: One row each; for a campaign every trial, also those that have not begun.
        sessions: Of these trainings, oldest first.
        weeks: Weeks of the quota that the sessions touch, oldest first; empty without sessions on a backend with quota.
        pictures: Of the newest finished session of each training, at most a few.
        notes: What could not be read, a sentence each.
        left_out: What is left out to keep the page small, a sentence each.
        live: Whether the page is served and follows what runs.
        versions: Name of a program -> its version.
        shared_settings: Settings that all trainings share, where there are so many that each row leaves these out.
    """

    subject: Subject
    title: str
    made_at: str
    command: str
    headline: Headline
    trainings: tuple[Training, ...] = ()
    sessions: tuple[Session, ...] = ()
    weeks: tuple[Week, ...] = ()
    intervals: tuple[Interval, ...] = ()
    pictures: tuple[Picture, ...] = ()
    notes: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    live: bool = False
    versions: Mapping[str, str] = field(default_factory=dict)
    shared_settings: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON form."""
        return {"schema": SCHEMA, **asdict(self)}
