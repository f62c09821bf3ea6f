"""What a section is given when a session calls it."""

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
    """The session, seen from the section: what to do, where to write, when to leave.

    Attributes:
        ticket: Identity, spec and inputs of the session.
        models_dir: Where training reads its checkpoints and writes them; verified inputs are already there.
        metrics_dir: For CSV and JSON.
        figures_dir: For figures.
        deadline: Seconds left; the section reports to it how long its saves and evaluations take.
        stop: Whether somebody asked the session to leave.
        reporter: The session's voice.
        now: Aware UTC time, for stamps only: nothing that affects weights reads a clock.
        monotonic: Seconds, for measuring.
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

    @property
    def must_leave(self) -> bool:
        """Whether the section must save and return at its next safe boundary."""
        return self.stop.requested or self.deadline.reached
