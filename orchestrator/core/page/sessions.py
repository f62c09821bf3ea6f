"""The sessions of a page: bars over wall time, and the weeks of the quota."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One session.

    Attributes:
        slug: Its name on the backend.
        lineage_id: Of its training.
        training: Label of its training.
        backend: `local`, `kaggle`, ...
        kind: `gpu`, `cpu`, or empty if unknown.
        began_at: ISO time, UTC.
        ended_at: ISO time, UTC; None while it is in flight or unknown.
        end_reason: As in its manifest or judged here; empty while it is in flight.
        in_flight: Whether it is not closed.
        steps_start: Steps from which it continued.
        steps_done: Steps of its last save; of its latest report while it is in flight; None if unknown.
        target_steps: None if its section decides.
        grade: How exact its resume was; empty for a first session.
        attempt: 1 for the first attempt.
        image: Image that it ran in; empty if the backend has no choice.
        code_digest: Of its code, sha256 in hex.
        kernel: Name of the kernel that it shares with others; empty if it is alone.
        steps_per_s: Its latest rate, None if unknown.
        eta_s: Seconds until the target at this rate, only while it is in flight.
        reported_at: ISO time of its latest report, only while it is in flight.
        problems: What was wrong with its outputs, a sentence each.
    """

    slug: str
    lineage_id: str
    training: str
    backend: str
    kind: str
    began_at: str
    ended_at: str | None
    end_reason: str
    in_flight: bool
    steps_start: int
    steps_done: int | None
    target_steps: int | None
    grade: str = ""
    attempt: int = 1
    image: str = ""
    code_digest: str = ""
    kernel: str = ""
    steps_per_s: float | None = None
    eta_s: float | None = None
    reported_at: str | None = None
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Week:
    """A week of a backend's quota.

    Attributes:
        backend: Its name.
        begins_at: ISO time, UTC, at which the quota is refreshed.
        ends_at: ISO time, UTC.
        used_s: Seconds of sessions of this page that count against the quota.
        limit_s: Seconds that a week allows, None if unknown.
    """

    backend: str
    begins_at: str
    ends_at: str
    used_s: float
    limit_s: float | None
