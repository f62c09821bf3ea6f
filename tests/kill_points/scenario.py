"""What a scenario is: a command, the world around it, and what must be true at the end."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from tests.kill_points.observer import Observer
from tests.kill_points.tree import read_tree

LOST, DUPLICATED, WRONG = "lost", "duplicated", "wrong"
Fault = tuple[str, str]
"""LOST, DUPLICATED or WRONG, and what exactly."""

_TEMPORARY = (".partial-", ".incoming-", ".fetching-", ".begun-", ".write-probe", "restore_journal.json")


class Scenario(ABC):
    """One command that is killed.

    Args:
        folder: An empty folder; everything on the disk of this computer is in `root` below it.
    """

    name: str

    def __init__(self, folder: Path) -> None:
        self.root = folder / "disk"
        self.root.mkdir()
        self.observer = Observer(self.root)

    @abstractmethod
    def act(self) -> None:
        """The command, from its beginning."""

    @abstractmethod
    def go_on(self) -> None:
        """A new process after a kill: the same command, to the end."""

    @abstractmethod
    def faults(self) -> Iterable[Fault]:
        """What is wrong at the end."""

    def outside(self) -> Any:
        """A copy of the world outside of the disk."""
        return None

    def set_outside(self, outside: Any) -> None:
        """Put a copy of that world in place; it may be used again later."""
        assert outside is None

    def outside_key(self, outside: Any) -> str:
        """Equal for equal worlds."""
        return repr(outside)


def leftovers(root: Path) -> Iterator[Fault]:
    """Temporary files at the end; those in a sandbox are removed with it, once three later ones were fetched."""
    for name in read_tree(root):
        if not name.startswith(".orchestrator/local/") and name.rpartition("/")[2].startswith(_TEMPORARY):
            yield WRONG, f"{name} is left over"
