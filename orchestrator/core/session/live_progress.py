"""How far a session in flight is, from the reports that it has written so far."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from orchestrator.core.timestamps import parse_timestamp

_TOO_LARGE = 1e15
"""Above every real count or time; the comparison also excludes NaN and infinities."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveProgress:
    """A session in flight.

    Attributes:
        state: The backend's word for its state; empty where the backend was not asked.
        target_steps: Where it ends, None if its section decides.
        steps: Steps of its latest report, else of the checkpoint that it started from.
        steps_per_s: None until two reports are there.
        eta_s: Seconds until the target at this rate, None where the rate is unknown.
        reported_at: ISO time of its latest report, None without one.
        session_id: The backend's own number of it, None while unknown.
        can_cancel: Whether `cancel` can stop it; None where the backend was not asked. False on Kaggle until its log
            shows the number.
        why_not: Why it cannot; empty if it can, or if the backend was not asked.
        stop_asked_by: Who asked it to stop, None if it was not asked.
    """

    session: str
    backend: str
    handle: str | None
    stage: str
    state: str
    steps: int
    target_steps: int | None
    steps_per_s: float | None = None
    eta_s: float | None = None
    reported_at: str | None = None
    session_id: int | None = None
    can_cancel: bool | None = None
    why_not: str = ""
    stop_asked_by: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain JSON form."""
        return asdict(self)

    @property
    def line(self) -> str:
        """For people: steps, rate, time left."""
        parts = [steps_of(self.steps, self.target_steps)]
        if self.steps_per_s is not None:
            parts.append(f"{self.steps_per_s:.0f} steps/s")
        if self.eta_s is not None:
            hours, rest_s = divmod(round(self.eta_s), 3600)
            parts.append(f"{hours}:{rest_s // 60:02d}:{rest_s % 60:02d} left")
        parts += [self.state] if self.state else []
        parts += ["asked to stop"] if self.stop_asked_by else []
        parts += [self.why_not] if self.why_not else []
        return " | ".join(parts)


def steps_of(steps: int, target_steps: int | None) -> str:
    """Steps done and target, for people."""
    return f"{steps} steps" if target_steps is None else f"{steps} of {target_steps} steps"


def measured(events: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Steps, rate, time left and time of the latest report; only what the events state or show.

    Args:
        events: Of the session's event file, oldest first; the beginning may be missing, and lines may be anything.
    """
    reports = list(_reports(events))
    if not reports:
        return {}
    at, steps, latest = reports[-1]
    speed = _number(latest.get("steps_per_s")) or _between(reports)
    left = _number(latest.get("eta_s"))
    target = _number(latest.get("target_steps"))
    if left is None and speed and target is not None:
        left = max(0.0, target - steps) / speed
    return {"steps": steps, "steps_per_s": speed, "eta_s": left, "reported_at": at.isoformat()}


def _reports(events: Sequence[Mapping[str, Any]]) -> Iterator[tuple[datetime, int, Mapping[str, Any]]]:
    for event in events:
        at, steps = parse_timestamp(str(event.get("at"))), _number(event.get("steps"))
        if event.get("kind") == "progress" and at is not None and steps is not None:
            yield at, int(steps), event


def _between(reports: Sequence[tuple[datetime, int, Mapping[str, Any]]]) -> float | None:
    """The rate between the first and the last report; None where no time or no step lies between them."""
    (first_at, first_steps, _), (last_at, last_steps, _) = reports[0], reports[-1]
    passed_s = (last_at - first_at).total_seconds()
    return (last_steps - first_steps) / passed_s if passed_s > 0 and last_steps > first_steps else None


def _number(value: Any) -> float | None:
    usable = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < _TOO_LARGE
    return float(value) if usable else None
