"""Atomic writes: a reader finds either the old bytes or the new ones, even after a kill."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path


def write_atomically(path: Path, write: Callable[[Path], None]) -> None:
    """Let `write` fill a temporary file in the same folder, flush it to the disk, then rename it to `path`.

    Args:
        path: Final path; its folder is created.
        write: Receives the temporary path, which has the same suffix as `path`.

    Raises:
        OSError: The file cannot be written; `path` is unchanged.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".partial-{path.name}")
    try:
        write(temporary)
        with temporary.open("rb+") as stream:
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)


def write_json(path: Path, value: object) -> None:
    """Write a value atomically as indented UTF-8 JSON with LF line ends.

    Raises:
        ValueError: The value holds NaN or an infinity.
    """
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    # A path that is not UTF-8 holds surrogates; escaped as `\udcc3` they are valid JSON and read back unchanged.
    write_text(path, text.encode("utf-8", "backslashreplace").decode("utf-8"))


def write_text(path: Path, text: str) -> None:
    """Write a text atomically as UTF-8, line ends unchanged."""
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path, content: bytes) -> None:
    """Write bytes atomically."""

    def write(temporary: Path) -> None:
        temporary.write_bytes(content)

    write_atomically(path, write)


def replace_folder(new: Path, old: Path) -> None:
    """Put a folder in the place of another one. Of a link only the link is replaced, and its target stays.

    Raises:
        OSError: Something else has that name, or the folder cannot be replaced.
    """
    if old.is_symlink():
        old.unlink()
    elif old.is_dir():
        shutil.rmtree(old)
    elif os.path.lexists(old):
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(old))
    os.replace(new, old)


def sync_folder(folder: Path) -> None:
    """Flush a rename in `folder` to the disk; does nothing on Windows, which has no folder handles."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
