"""The content of a folder as a value: read, compared, written back."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_OLD_S = 3600.0
"""Age of every file that is written back, so that no program takes it for one that is being written."""


@dataclass(frozen=True, slots=True)
class Link:
    """A symbolic link."""

    target: str


Node = bytes | Link | None
"""A file's bytes, a link, or None for a folder."""
Tree = Mapping[str, Node]
"""POSIX path below the root -> what is there; a folder comes before its content."""


def read_tree(root: Path, known: dict[bytes, bytes] | None = None) -> dict[str, Node]:
    """Everything below a folder. SQLite's `-shm` is memory, not disk: a kill or power cut does not keep it.

    Args:
        known: Contents read so far: equal ones are kept once.
    """
    tree: dict[str, Node] = {}
    _read(os.fspath(root), "", tree, {} if known is None else known)
    return tree


def _read(folder: str, prefix: str, tree: dict[str, Node], known: dict[bytes, bytes]) -> None:
    with os.scandir(folder) as found:
        entries = sorted(found, key=lambda entry: entry.name)
    for entry in entries:
        name = prefix + entry.name
        if entry.is_symlink():
            tree[name] = Link(os.readlink(entry.path))
        elif entry.is_dir():
            tree[name] = None
            _read(entry.path, name + "/", tree, known)
        elif not name.endswith("-shm"):
            descriptor = os.open(entry.path, os.O_RDONLY)
            try:
                content = os.pread(descriptor, os.fstat(descriptor).st_size, 0)
                tree[name] = known.setdefault(content, content)
            finally:
                os.close(descriptor)


def write_tree(root: Path, tree: Tree) -> None:
    """Make a folder hold exactly this."""
    for entry in list(os.scandir(root)):
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path)
        else:
            os.unlink(entry.path)
    old_s = root.stat().st_mtime - _OLD_S
    for name, node in tree.items():
        path = os.path.join(root, name)
        if node is None:
            os.mkdir(path)
        elif isinstance(node, Link):
            os.symlink(node.target, path)
        else:
            descriptor = os.open(path, os.O_CREAT | os.O_WRONLY, 0o644)
            os.write(descriptor, node)
            os.close(descriptor)
            os.utime(path, (old_s, old_s))


def key_of(tree: Tree) -> tuple[tuple[str, Node], ...]:
    """Equal for equal trees."""
    return tuple(sorted(tree.items()))
