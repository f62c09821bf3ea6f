"""Lists of described files in JSON that is kept beside a models directory, read strictly."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import PurePosixPath
from typing import Any

from orchestrator.kernel.wire import FileEntry


def entries_to_json(entries: Iterable[FileEntry]) -> list[dict[str, Any]]:
    """Plain JSON form."""
    return [asdict(entry) for entry in entries]


def entries_from(plain: Any) -> tuple[FileEntry, ...]:
    """Read such a list.

    Raises:
        ValueError: It is not one, or a path of it leads out of its folder.
    """
    if not isinstance(plain, list):
        raise ValueError("a list of files is missing")
    return tuple(_entry(one) for one in plain)


def is_inner_path(text: str) -> bool:
    """Whether a text is a relative POSIX path to something below its folder, and nothing else."""
    path = PurePosixPath(text)
    plain = text == path.as_posix() and "\\" not in text and text.isprintable()
    return plain and not path.is_absolute() and ".." not in path.parts and path.parts != () and ":" not in text


def is_plain_name(text: object) -> bool:
    """Whether it is the name of one file or folder."""
    return isinstance(text, str) and is_inner_path(text) and "/" not in text and len(text.encode("utf-8")) < 200


def _entry(plain: Any) -> FileEntry:
    if not isinstance(plain, dict) or set(plain) != {"path", "size_bytes", "sha256"}:
        raise ValueError("a file is not described as one")
    path, size_bytes, sha256 = plain["path"], plain["size_bytes"], plain["sha256"]
    if not isinstance(path, str) or not is_inner_path(path):
        raise ValueError(f"it names {str(path)[:80]!r}, which is not a path within the models directory")
    if not isinstance(size_bytes, int) or isinstance(size_bytes, bool) or not isinstance(sha256, str):
        raise ValueError(f"the size or digest of {path[:80]} is no such thing")
    return FileEntry(path=path, size_bytes=size_bytes, sha256=sha256)
