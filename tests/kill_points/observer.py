"""Notes each side effect of this process below a folder, and keeps the disk as it is before and after each of them.

The functions that change files are replaced while a scenario runs: those of `os`, `open` for writing (each write that
reaches the system counts), and SQLite's commits. Calls of a backend and started processes are noted by their doubles.
"""

from __future__ import annotations

import builtins
import io
import os
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

from tests.kill_points import file_effects, sqlite_effects
from tests.kill_points.durability import Disk
from tests.kill_points.tree import Tree, read_tree


@dataclass(frozen=True, slots=True)
class Point:
    """One side effect."""

    number: int
    kind: str
    what: str

    def __str__(self) -> str:
        return f"{self.number}: {self.kind} {self.what}"


@dataclass(frozen=True, slots=True)
class Moment:
    """The world at one point: what a kill here leaves.

    Attributes:
        where: In words.
        outside: A copy of the world outside of the disk.
        cuts: Outcome of a power cut -> what it leaves.
    """

    where: str
    disk: Tree
    outside: Any
    cuts: dict[str, Tree]


@dataclass
class Observer:
    """Everything that one scenario does.

    Args:
        root: Folder whose files are followed.
        outside: Copies the world outside of the disk.
        power: Derive what a power cut leaves at every n-th moment; 0 for none.
        every: Keep every n-th moment, from number `offset` on; 0 for none.
        gate: Called before each side effect; what it raises, the side effect raises.
    """

    root: Path
    outside: Callable[[], Any] = lambda: None
    power: int = 0
    gate: Callable[[Point], None] = lambda point: None
    every: int = 1
    offset: int = 0
    points: list[Point] = field(default_factory=list)
    moments: list[Moment] = field(default_factory=list)
    disk: Disk | None = None
    contents: dict[bytes, bytes] = field(default_factory=dict)
    flushed_commits: int = 0
    _seen: int = 0
    _paused: int = 0
    _elsewhere: int = 0

    def counts(self) -> Counter[str]:
        """Points by kind."""
        return Counter(point.kind for point in self.points)

    @contextmanager
    def effect(self, kind: str, what: str) -> Iterator[None]:
        """One side effect: the moment before it, then it happens."""
        if self.is_silent:
            yield
            return
        name = os.path.relpath(what, self.root) if os.path.isabs(what) else what
        point = Point(len(self.points) + 1, kind, name)
        self.points.append(point)
        self.moment(f"before {point}")
        self.gate(point)
        yield

    def middle(self) -> None:
        """Keep the state in the middle of the newest point."""
        if not self.is_silent:
            self.moment(f"in the middle of {self.points[-1]}")

    def moment(self, where: str) -> None:
        """Keep the present state."""
        if self.is_silent or not self.every:
            return
        self._seen += 1
        if (self._seen - 1) % self.every != self.offset:
            return
        with self.paused():
            cuts = dict(self.disk.outcomes()) if self.disk and self._seen % self.power == 0 else {}
            self.moments.append(Moment(where, read_tree(self.root, self.contents), self.outside(), cuts))

    @contextmanager
    def elsewhere(self) -> Iterator[None]:
        """Another process is at work: it is not killed, but a power cut concerns its files as well."""
        self._elsewhere += 1
        try:
            yield
        finally:
            self._elsewhere -= 1

    @contextmanager
    def paused(self) -> Iterator[None]:
        """This harness is at work: nothing is noted."""
        self._paused += 1
        try:
            yield
        finally:
            self._paused -= 1

    @property
    def is_silent(self) -> bool:
        """Whether nothing is a point now."""
        return self._paused + self._elsewhere > 0

    @property
    def is_paused(self) -> bool:
        return self._paused > 0

    def inside(self, path: Any, dir_fd: int | None = None) -> str | None:
        """The absolute path, None if it is not below the root."""
        if isinstance(path, int):
            path = os.readlink(f"/proc/self/fd/{path}")
        base = os.getcwd() if dir_fd is None else os.readlink(f"/proc/self/fd/{dir_fd}")
        whole = os.path.normpath(os.path.join(base, os.fsdecode(path)))
        return whole if whole.startswith(f"{self.root}{os.sep}") or whole == str(self.root) else None


@contextmanager
def observed(observer: Observer) -> Iterator[Observer]:
    """Observe this process."""
    with ExitStack() as stack:
        for name, replacement in file_effects.replacements(observer).items():
            stack.enter_context(patch.object(os, name, replacement))
        opened = file_effects.opener(observer)
        stack.enter_context(patch.object(io, "open", opened))
        stack.enter_context(patch.object(builtins, "open", opened))
        stack.enter_context(patch.object(sqlite3, "connect", sqlite_effects.connector(observer)))
        yield observer
    observer.moment("after the last side effect")
