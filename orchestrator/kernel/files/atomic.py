"""Writing a file so that a reader, or a kill at any instant, finds the old bytes or the new ones."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path


def write_atomically(path: Path, write: Callable[[Path], None]) -> None:
    """Let `write` fill a temporary neighbour, make it durable, then rename it onto `path`.

    Args:
        path: Final place; its folder is created.
        write: Receives the temporary path, which ends with the same suffix as `path`.

    Raises:
        OSError: The disk refused; `path` is as before.
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
    """Write a value atomically as indented UTF-8 JSON with LF line ends; NaN is refused (ValueError)."""
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    # A path of another encoding holds surrogates; written as `\udcc3` they are JSON, and come back as they were.
    write_text(path, text.encode("utf-8", "backslashreplace").decode("utf-8"))


def write_text(path: Path, text: str) -> None:
    """Write a text atomically as UTF-8; its line ends stay as they are."""
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path, content: bytes) -> None:
    """Write bytes atomically."""

    def write(temporary: Path) -> None:
        temporary.write_bytes(content)

    write_atomically(path, write)


def sync_folder(folder: Path) -> None:
    """Make a rename in `folder` durable, where the system can (Windows has no folder handles)."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
