"""The session that this process runs, so that a section's code can find it without passing it along."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from orchestrator.kernel.outcome import KernelEnding, LeftEarly, SectionOutcome, SessionRefused
from orchestrator.kernel.session.context import SessionContext


class Training(Protocol):
    """What a script opens with `orchestrator.session()`."""

    def outcome(self) -> SectionOutcome:
        """How the training ended."""
        ...


@dataclass(slots=True, kw_only=True)
class RunningSection:
    """The section that runs in this process.

    Attributes:
        script: Whether it is a script; else an entry point, which returns its outcome itself.
        training: The training that the script opened, None before.
        left_early: Message if the latest training was left before its target without being asked to; else empty.
    """

    context: SessionContext
    script: bool = False
    training: Training | None = None
    left_early: str = ""

    def require_end(self, outcome: SectionOutcome) -> None:
        """Refuse a training that the code left by itself: as a pause, it would be started again and again.

        Raises:
            LeftEarly: It was left early, and the outcome is not that it is finished.
        """
        if self.left_early and outcome.ending is not KernelEnding.FINISHED:
            raise LeftEarly(self.left_early)

    def require_first(self) -> None:
        """Refuse a second training of a script: the session has one lineage and one outcome.

        Raises:
            SessionRefused: The script has opened one before.
        """
        if self.script and self.training is not None:
            raise SessionRefused(
                "the script opens orchestrator.session() a second time; a section holds one training",
                remedy="Make a section of each training, or one script with a setting that selects it.",
            )


_running: list[RunningSection] = []


@contextmanager
def entered(context: SessionContext, *, script: bool = False) -> Iterator[RunningSection]:
    """Make this the current session while the section runs."""
    section = RunningSection(context=context, script=script)
    _running.append(section)
    try:
        yield section
    finally:
        _running.pop()


def running_section() -> RunningSection | None:
    """The section that runs in this process, None outside of a kernel session."""
    return _running[-1] if _running else None


def current_context() -> SessionContext | None:
    """The current session, None outside of one."""
    section = running_section()
    return None if section is None else section.context
