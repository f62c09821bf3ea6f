"""What a power cut leaves: a strict disk, on which only what was flushed is certain.

The content of a file is certain once the file was flushed (`fsync`). A new name, a removed name and a rename are
certain once the folder that holds the name was flushed. A rename happens as a whole or not at all, as on every
journaling file system. What is not certain may be there or not, so each point has three outcomes.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from stat import S_ISDIR, S_ISLNK

from tests.kill_points.tree import Link, Node, Tree, read_tree

UNDONE, EMPTY, TORN = "undone", "empty", "torn"
"""Nothing that was not flushed is there; or all names are there and what was not flushed is empty, or cut in half."""


class Disk:
    """Follows which content and which names of a folder are certain. All of the present content is, at first.

    Args:
        known: Contents read so far: equal ones are kept once.
    """

    def __init__(self, root: Path, known: dict[bytes, bytes]) -> None:
        self._root = os.fspath(root)
        self._numbers: dict[int, int] = {}
        self._count = 0
        self._folders: dict[int, dict[str, int]] = {}
        self._contents: dict[int, Node] = {}
        self.known = known
        self._flush_all(self._root)

    def _flush_all(self, folder: str) -> None:
        for name in os.listdir(folder):
            path = f"{folder}/{name}"
            if os.path.isdir(path) and not os.path.islink(path):
                self._flush_all(path)
            else:
                self.flushed(path)
        self.flushed(folder)

    def _number(self, path: str) -> int:
        """The number of what is at a path now; a file that is renamed keeps it."""
        status = os.lstat(path)
        number = self._numbers.get(status.st_ino)
        if number is None:
            self._count += 1
            number = self._numbers[status.st_ino] = self._count
            if S_ISDIR(status.st_mode):
                self._folders[number] = {}
            else:
                self._contents[number] = Link(os.readlink(path)) if S_ISLNK(status.st_mode) else b""
        return number

    def gone(self, path: str) -> None:
        """What is at this path is about to be removed or replaced: its inode may be given to another file."""
        self._numbers.pop(os.lstat(path).st_ino, None)

    def flushed(self, path: str) -> None:
        """A file or folder was flushed."""
        number = self._number(path)
        if number in self._folders:
            self._flush_names(number, path)
        elif not isinstance(self._contents[number], Link):
            with open(path, "rb") as stream:
                content = stream.read()
            self._contents[number] = self.known.setdefault(content, content)

    def names(self, path: str) -> bool:
        """Whether the name of an existing file is certain."""
        folder, _, name = path.rpartition("/")
        return self._folders[self._number(folder)].get(name) == self._number(path)

    def _flush_names(self, folder: int, path: str) -> None:
        certain, live = self._folders[folder], set(self._numbers.values())
        present = {name: self._number(f"{path}/{name}") for name in os.listdir(path)}
        arrived = set(present.values()) - set(certain.values())
        for names in self._folders.values():  # a rename is certain as a whole
            for name in [name for name, number in names.items() if number in arrived]:
                del names[name]
        left = {name: one for name, one in certain.items() if one in live and one not in present.values()}
        self._folders[folder] = {**left, **present}  # what was moved away is still here until its new folder is flushed

    def outcomes(self) -> Iterator[tuple[str, Tree]]:
        """What the disk may hold after a power cut now."""
        yield UNDONE, dict(self._certain(self._number(self._root), ""))
        live = read_tree(Path(self._root), self.known)
        for outcome in (EMPTY, TORN):
            yield outcome, {name: self._cut(name, node, outcome) for name, node in live.items()}

    def _certain(self, folder: int, prefix: str) -> Iterator[tuple[str, Node]]:
        for name, number in sorted(self._folders[folder].items()):
            if number in self._folders:
                yield prefix + name, None
                yield from self._certain(number, f"{prefix}{name}/")
            elif not name.endswith("-shm"):
                yield prefix + name, self._contents[number]

    def _cut(self, name: str, node: Node, outcome: str) -> Node:
        if not isinstance(node, bytes):
            return node
        certain = self._contents[self._number(f"{self._root}/{name}")]
        if node == certain or not isinstance(certain, bytes):
            return node
        kept = len(certain) if node.startswith(certain) else 0  # what was appended may be lost, not what is before it
        return node[: kept + (len(node) - kept) // 2] if outcome == TORN else node[:kept]
