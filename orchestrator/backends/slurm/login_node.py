"""Where Slurm's commands run and where the folders of the sessions are: on this computer, or on one behind SSH."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Protocol

from orchestrator.backends.slurm.session.folder import SessionFolder
from orchestrator.backends.slurm.session.outputs import Outputs


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a command printed."""

    code: int
    out: str
    err: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Storage:
    """The file system that holds the sessions.

    Attributes:
        writable: Whether the folder of the sessions, or the nearest one above it, can be written.
    """

    free_bytes: int
    writable: bool


class LoginNode(Protocol):
    """Commands and files of a cluster.

    A `SessionFolder` that it gives shows the present state and is only read; what changes a folder is a method here.
    Beside the errors named below, every method raises `RemoteUnavailable` where the computer cannot be reached, and
    `OSError` or `StorageFault` where a disk refuses.
    """

    @property
    def title(self) -> str:
        """Its name in messages."""

    @property
    def root(self) -> PurePath:
        """Folder of all sessions, absolute, as the cluster's nodes see it."""

    def run(self, words: Sequence[str], folder: PurePath | None, kept: Collection[str], limit_s: float) -> Answer:
        """Run one of Slurm's commands to its end.

        Args:
            folder: Working folder.
            kept: Variables of the user's shell that choose for Slurm and count; the others of Slurm's do not.

        Raises:
            FileNotFoundError: There is no such command.
            TimeoutError: It took longer than `limit_s`; it may have done its work.
            ConnectionError: The connection broke; it may have done its work.
        """

    def names(self, prefix: str) -> list[str]:
        """Names of the folders with that prefix."""

    def look(self, slug: str) -> SessionFolder:
        """A session's folder as it is now: its small files, and what its starts have written about themselves."""

    def look_all(self) -> list[SessionFolder]:
        """The same of all sessions."""

    def grown(self, folder: SessionFolder, path: Path) -> Path:
        """A file that only grows, with what is new in it.

        Args:
            path: Below the folder.
        """

    def outputs(self, slug: str, member: int | None) -> Outputs:
        """A session's folder with its log and the outputs of all its starts, or those of one of its sessions."""

    def place(self, slug: str, fill: Callable[[SessionFolder], None]) -> None:
        """Put a new folder in the place of one that was never submitted: completely, or not at all.

        Args:
            fill: Writes its files.
        """

    def write(self, slug: str, name: str, text: str) -> None:
        """Write a small file into a session's folder atomically; keeps one that is there."""

    def sweep(self) -> None:
        """Delete the outputs of sessions that were fetched, except the last three."""

    def absent(self, tools: Sequence[str]) -> list[str]:
        """Which of these commands are not installed."""

    def storage(self) -> Storage:
        """The file system of the sessions."""
