"""How far a session in flight is, from the reports that it has written so far."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, TypeGuard

from orchestrator.core.timestamps import parse_timestamp
from orchestrator.kernel.wire import PROGRESS_KINDS

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
        reward: Of its latest report: the mean reward of recent episodes, or the number that a script reports as its
            reward or score. None without one.
        deadline_at: ISO time at which its time limit ends, None without a limit or before it has begun.
        deadline_in_s: Seconds until then, at least 0; None where `deadline_at` is None.
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
    reward: float | None = None
    deadline_at: str | None = None
    deadline_in_s: float | None = None
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
        """For people: steps, rate, time left, reward, time until the deadline."""
        parts = [steps_of(self.steps, self.target_steps)]
        if self.steps_per_s is not None:
            parts.append(f"{self.steps_per_s:.0f} steps/s")
        if self.eta_s is not None:
            parts.append(f"{clock_text(self.eta_s)} left")
        if self.reward is not None:
            parts.append(f"reward {self.reward:.6g}")
        if self.deadline_in_s is not None:
            parts.append(f"deadline in {clock_text(self.deadline_in_s)}")
        parts += [self.state] if self.state else []
        parts += ["asked to stop"] if self.stop_asked_by else []
        parts += [self.why_not] if self.why_not else []
        return " | ".join(parts)


def clock_text(seconds: float) -> str:
    """A duration as hours, minutes and seconds: 0:02:05."""
    hours, rest_s = divmod(round(seconds), 3600)
    return f"{hours}:{rest_s // 60:02d}:{rest_s % 60:02d}"


def time_left_s(steps: float, steps_per_s: float) -> float | None:
    """Seconds for some steps at a rate above 0; None for a rate at which they would take millions of years."""
    return _number(max(0.0, steps) / steps_per_s)


def steps_of(steps: int, target_steps: int | None) -> str:
    """Steps done and target, for people."""
    return f"{steps} steps" if target_steps is None else f"{steps} of {target_steps} steps"


REWARD_NAMES = ("reward_mean", "reward", "mean_reward", "ep_rew_mean", "episode_reward", "return", "score")
"""Names under which a report may state its reward; the first that is there counts."""


def measured(events: Sequence[Mapping[str, Any]], now: datetime | None = None) -> dict[str, Any]:
    """Steps, rate, time left, reward, deadline and time of the latest report; only what the events state or show.

    Args:
        events: Of the session, oldest first; the beginning may be missing, and values may be anything.
        now: Time from which the seconds until the deadline count; without it they are left out.
    """
    found = _deadline(events, now)
    reports = list(_reports(events))
    if not reports:
        return found
    at, steps, latest = reports[-1]
    speed = _number(latest.get("steps_per_s")) or _between(reports)
    left = _number(latest.get("eta_s"))
    target = _number(latest.get("target_steps"))
    if left is None and speed and target is not None:
        left = time_left_s(target - steps, speed)
    reported_at = at.isoformat() if at is not None else None
    reward = first_number(latest, REWARD_NAMES)
    return {**found, "steps": steps, "steps_per_s": speed, "eta_s": left, "reward": reward, "reported_at": reported_at}


def _deadline(events: Sequence[Mapping[str, Any]], now: datetime | None) -> dict[str, Any]:
    stated = (parse_timestamp(str(event["deadline_at"])) for event in reversed(events) if "deadline_at" in event)
    deadline = next((one for one in stated if one is not None), None)
    if deadline is None:
        return {}
    left_s = {} if now is None else {"deadline_in_s": max(0.0, (deadline - now).total_seconds())}
    return {"deadline_at": deadline.isoformat(), **left_s}


def _reports(events: Sequence[Mapping[str, Any]]) -> Iterator[tuple[datetime | None, int, Mapping[str, Any]]]:
    for event in events:
        steps = _number(event.get("steps"))
        if event.get("kind") in PROGRESS_KINDS and steps is not None:
            yield parse_timestamp(str(event.get("at"))), int(steps), event


def _between(reports: Sequence[tuple[datetime | None, int, Mapping[str, Any]]]) -> float | None:
    """The rate between the first and the last report with a time; None where no time or no step lies between them."""
    timed = [(at, steps) for at, steps, _ in reports if at is not None]
    if not timed:
        return None
    (first_at, first_steps), (last_at, last_steps) = timed[0], timed[-1]
    passed_s = (last_at - first_at).total_seconds()
    return (last_steps - first_steps) / passed_s if passed_s > 0 and last_steps > first_steps else None


def first_number(report: Mapping[str, Any], names: Iterable[str]) -> float | None:
    """The first of these entries that is a finite number, which may be negative; None without one."""
    values = (report.get(name) for name in names)
    return next((float(one) for one in values if _is_number(one) and abs(one) < _TOO_LARGE), None)


def _number(value: Any) -> float | None:
    return float(value) if _is_number(value) and 0 <= value < _TOO_LARGE else None


def _is_number(value: Any) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)
