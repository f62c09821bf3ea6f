"""A campaign as its YAML file declares it: trials and limits, with the checks that need nothing else."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Literal

from orchestrator.core.campaign.group import Group
from orchestrator.core.campaign.session_slots import BackendLimits, Sessions, Slots, slots_of
from orchestrator.core.section.card import BackendName
from orchestrator.core.section.overrides import MOST_TRIALS
from orchestrator.core.section.site import KAGGLE
from orchestrator.core.section.size_limits import pack_fault
from orchestrator.core.session.end_reason import EndReason

_STRICT: Mapping[str, Any] = {"extra": "forbid", "strict": True}

FAILURES = frozenset({*(reason.value for reason in EndReason), "stuck", "emptied", "invalid"} - {"finished", "paused"})
"""Words for the failures of a trial: ends of runs, and `invalid` for results that fail the sanity checks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumed:
    """Assumptions about a session until one has been measured; seconds on the campaign's backend.

    Attributes:
        steps_per_s: Environment steps in a second of training.
        start_s: From the push to the first step: queue, machine, libraries.
        save_s: For the last save, the evaluation and the manifest.
    """

    __pydantic_config__: ClassVar[Mapping[str, Any]] = _STRICT

    steps_per_s: float = 1000.0
    start_s: float = 120.0
    save_s: float = 180.0

    def __post_init__(self) -> None:
        if self.steps_per_s <= 0 or self.start_s < 0 or self.save_s < 0:
            raise ValueError("steps_per_s must be above 0, start_s and save_s at least 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plateau:
    """A training no longer improves if its best score gained less than `min_gain` over `sessions` sessions."""

    __pydantic_config__: ClassVar[Mapping[str, Any]] = _STRICT

    sessions: int
    min_gain: float = 0.0

    def __post_init__(self) -> None:
        if self.sessions < 1 or self.min_gain < 0:
            raise ValueError("sessions must be at least 1, min_gain at least 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class StopRules:
    """When no further session is started. Sessions in flight are still collected.

    Attributes:
        failures: Failure -> number of trials with it that stop the whole campaign.
        plateau: When a single trial is not continued.
        deadline: Time after which nothing runs; needs a time zone.
    """

    __pydantic_config__: ClassVar[Mapping[str, Any]] = _STRICT

    failures: Mapping[str, int] = field(default_factory=dict)
    plateau: Plateau | None = None
    deadline: datetime | None = None

    def __post_init__(self) -> None:
        _require_failures(self.failures, least=1)
        if self.deadline is not None and self.deadline.tzinfo is None:
            raise ValueError("deadline needs a time zone, for example 2026-12-24T18:00:00Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Notify:
    """The webhook for notifications. A secret address belongs into an environment variable, not into the file."""

    __pydantic_config__: ClassVar[Mapping[str, Any]] = _STRICT

    webhook: str | None = None
    webhook_variable: str | None = None

    def __post_init__(self) -> None:
        if (self.webhook is None) == (self.webhook_variable is None):
            raise ValueError("give either webhook or webhook_variable")
        if self.webhook is not None and not re.match(r"https?://\S+$", self.webhook):
            raise ValueError("webhook must be an http(s) address")  # not shown: it may be a secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Campaign:
    """A campaign file.

    Attributes:
        campaign: Name, that of the file.
        backend: Where its sessions run; `local` without it and without `backends`.
        backends: Several backends, each with its limits, instead of `backend`, `concurrency` and `sessions`. A new
            trial takes the first one with a free slot. None after the checks if there is only one.
        concurrency: Sessions that may be in flight together; 1 without it and without `sessions`. A pack counts as one.
        pack: Trainings that share a session's machine: a number, or `auto` for as many as it has GPUs or cores for;
            without it, what the section's card says.
        sessions: The same by kind of session on Kaggle, instead of `concurrency`.
        weekly_gpu_hours: Part of the account's weekly quota that this campaign may use; None for all of it. Hours of
            CPU sessions do not count; with `backends`, only those of Kaggle's GPU sessions do.
        retries: Failure -> further runs, with the same code, of a trial that ended with it.
    """

    __pydantic_config__: ClassVar[Mapping[str, Any]] = _STRICT

    campaign: str
    trials: Mapping[str, Group]
    title: str = ""
    backend: BackendName | None = None
    backends: Mapping[BackendName, BackendLimits] | None = None
    concurrency: int | None = None
    sessions: Sessions | None = None
    pack: int | Literal["auto"] | None = None
    weekly_gpu_hours: float | None = None
    retries: Mapping[str, int] = field(default_factory=dict)
    stop: StopRules = field(default_factory=StopRules)
    assume: Assumed = field(default_factory=Assumed)
    notify: Notify | None = None

    def __post_init__(self) -> None:
        self._require_limits()
        self._set_backend()
        if fault := pack_fault(self.pack):
            raise ValueError(fault)
        if self.weekly_gpu_hours is not None and not self.weekly_gpu_hours > 0:
            raise ValueError(f"weekly_gpu_hours must be above 0, not {self.weekly_gpu_hours}")
        without_gpu = self.sessions is not None and not self.sessions.gpu
        if self.weekly_gpu_hours is not None and (without_gpu or not self.slots.metered):
            raise ValueError("weekly_gpu_hours limits GPU sessions, and sessions has none: remove it, or add gpu")
        if not self.trials:
            raise ValueError("trials has no group")
        _require_failures(self.retries, least=0)
        together = sum(group.trials for group in self.trials.values())
        if together > MOST_TRIALS:
            raise ValueError(f"trials: {together} in all are too many, a campaign has at most {MOST_TRIALS}")
        for name in self.trials:
            self._require_order(name, ())

    @property
    def limits(self) -> Mapping[BackendName, BackendLimits]:
        """Its backends, each with its limits, in the order of the file."""
        if self.backends is not None:
            return self.backends
        return {self.backend or "local": BackendLimits(sessions=self.sessions or self.concurrency or 1)}

    @property
    def slots(self) -> Slots:
        """Sessions that may be in flight together. Only Kaggle has kinds; elsewhere they share all slots."""
        return slots_of(tuple(self.limits.items()))

    def _set_backend(self) -> None:
        """A campaign without a backend uses `local`; one in `backends` alone is the same as `backend`."""
        if self.backends is None:
            object.__setattr__(self, "backend", self.backend or "local")
        elif len(self.backends) == 1:
            ((name, limits),) = self.backends.items()
            key = "sessions" if isinstance(limits.sessions, Sessions) else "concurrency"
            for field_name, value in (("backend", name), (key, limits.sessions), ("backends", None)):
                object.__setattr__(self, field_name, value)

    def _require_limits(self) -> None:
        """Refuse limits that contradict each other or are out of range."""
        if self.backends is not None:
            for name in ("backend", "concurrency", "sessions"):
                if getattr(self, name) is not None:
                    raise ValueError(f"backends replaces {name}: give only one of them")
            if not self.backends:
                raise ValueError("backends names no backend")
            for name, limits in self.backends.items():
                if name != KAGGLE and isinstance(limits.sessions, Sessions):
                    raise ValueError(f"backends.{name}.sessions must be a number: only kaggle has kinds of sessions")
        if self.concurrency is not None and self.sessions is not None:
            raise ValueError("sessions replaces concurrency: give only one of them")
        if self.concurrency is not None and self.concurrency < 1:
            raise ValueError(f"concurrency must be at least 1, not {self.concurrency}")
        if self.concurrency is not None and self.concurrency > MOST_TRIALS:
            raise ValueError(f"concurrency must not exceed {MOST_TRIALS}, the most trials, not {self.concurrency}")

    def _require_order(self, name: str, above: tuple[str, ...]) -> None:
        if name in above:
            raise ValueError(f"trials.{name}.after has a cycle: {' -> '.join((*above, name))}")
        for earlier in self.trials[name].after:
            if earlier not in self.trials:
                raise ValueError(f"trials.{name}.after names {earlier!r}, which is not a group of this campaign")
            self._require_order(earlier, (*above, name))


def _require_failures(counts: Mapping[str, int], *, least: int) -> None:
    for word, count in counts.items():
        if word not in FAILURES:
            raise ValueError(f"{word} is not a failure; known failures: {', '.join(sorted(FAILURES))}")
        if count < least:
            raise ValueError(f"{word} must be at least {least}, not {count}")
        if count > MOST_TRIALS:
            raise ValueError(f"{word} must not exceed {MOST_TRIALS}, not {count}")
