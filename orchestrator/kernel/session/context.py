"""The argument with which a session calls its section."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from orchestrator.kernel.session.deadline import SoftDeadline
from orchestrator.kernel.session.reporting import Reporter
from orchestrator.kernel.session.stop_flag import StopFlag
from orchestrator.kernel.wire import Ticket


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionContext:
    """What a section needs from its session: what to do, where to write, when to stop.

    Attributes:
        ticket: Identity, spec and inputs of the session.
        models_dir: Folder of the checkpoints, read and written; verified inputs are already there.
        metrics_dir: For CSV and JSON.
        figures_dir: For figures.
        deadline: Seconds left; the section records in it how long its saves and evaluations take.
        stop: Whether the session was asked to stop.
        reporter: Writes to the log and the event file.
        now: Aware UTC time, for timestamps only: nothing that affects weights reads a clock.
        monotonic: Seconds, for measuring durations.
        shared_dir: Folder of results that all sessions of the project share, see `Workspace`; None without one.
    """

    ticket: Ticket
    models_dir: Path
    metrics_dir: Path
    figures_dir: Path
    deadline: SoftDeadline
    stop: StopFlag
    reporter: Reporter
    now: Callable[[], datetime]
    monotonic: Callable[[], float]
    shared_dir: Path | None = None

    @property
    def must_leave(self) -> bool:
        """Whether the section must save and return at the next safe boundary."""
        return self.stop.requested or self.deadline.reached
