"""The page of a target, read again and again: what cannot be read becomes a note on the page that was read before."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from orchestrator.core.errors import BadInput
from orchestrator.core.page.page import Page
from orchestrator.stores.project import Project
from orchestrator.stores.system_clock import SystemClock
from orchestrator.wiring.alone_page import alone_page

_AS_BEFORE = "This page shows what was read before."


class LivePage:
    """Reads the page; it never raises.

    Args:
        project: The project that is read; None for a script without one.
        first: The page as it was read at the start.
        read: Reads it now.
        explain: Turns an exception of `read` into sentences for the user, without secrets.
    """

    def __init__(
        self, project: Project | None, first: Page, read: Callable[[], Page], explain: Callable[[Exception], str]
    ) -> None:
        self._project = project
        self._last = first
        self._read = read
        self._explain = explain
        self._had_ledger = project is not None and _ledger(project).is_file()

    def __call__(self) -> Page:
        """The page now; with a note in front while it cannot be read."""
        try:
            trouble = self._absent()
            if not trouble:
                self._last = self._read()
                return self._last
        except Exception as fault:  # a page that is open for days must survive every file that it meets
            trouble = self._explain(fault)
        note = f"{self._shortened(trouble)} {_AS_BEFORE}"
        return replace(self._last, notes=(note, *self._last.notes))

    def _absent(self) -> str:
        """What is no longer where it was; empty if all is there."""
        project = self._project
        if project is None:
            return ""
        if not project.cards.is_dir() or not project.state.is_dir():
            return "The folder of the project was moved or deleted: start `serve` again in its present place."
        there = _ledger(project).is_file()
        self._had_ledger |= there
        if self._had_ledger and not there:
            return (
                "The ledger .orchestrator/ledger.sqlite was moved or deleted: put it back. Without it the next `run`, "
                "or `campaign tick --recover`, writes a new one."
            )
        return ""

    def _shortened(self, text: str) -> str:
        """A text without the path of the project: a page may be shown to others."""
        if self._project is None:
            return text
        return text.replace(f"{self._project.state}", ".").replace(self._project.state.as_posix(), ".")


def _ledger(project: Project) -> Path:
    return project.own / "ledger.sqlite"


def script_page(folder: Path, script: Path | None, command: str) -> Page:
    """The page of a script that runs without a project, as it is now.

    Args:
        folder: Of its training.
        script: The script, None if it is not known.
        command: The command that makes the page again.

    Raises:
        BadInput: The folder was moved or deleted.
    """
    if not folder.is_dir():
        raise BadInput(f"the folder of {folder.name} was moved or deleted", remedy="Put it back, or train again.")
    return alone_page(folder, script=script, command=command, now=SystemClock().now())
