"""Checks the type of every field of a manifest; a file with another shape counts as damaged."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from orchestrator.kernel.wire import FileEntry

_MOST = 2**53
"""Largest count: larger JSON numbers are not exact in every reader (RFC 8259, section 6)."""
_SHA256 = re.compile(r"[0-9a-f]{64}")


def require_shape(plain: Mapping[str, Any]) -> None:
    """Check the type of every field that is present.

    Raises:
        ValueError: A field has a wrong type; the message names it.
    """
    for name, fits in _FIELDS.items():
        if name in plain and not fits(plain[name]):
            raise ValueError(f"its field {name!r} has a value of the wrong type or range")


def file_entries(plain: Any, name: str) -> tuple[FileEntry, ...]:
    """The file entries of a JSON list.

    Args:
        plain: The list.
        name: Name of the list, for the message.

    Raises:
        ValueError: An entry is not a path, a size and a digest.
    """
    for entry in plain:
        if not isinstance(entry, dict) or set(entry) != {"path", "size_bytes", "sha256"} or not _entry_fits(entry):
            raise ValueError(f"its field {name!r} has an entry that is not a path, a size and a sha256")
    return tuple(FileEntry(**entry) for entry in plain)


def _entry_fits(entry: Mapping[str, Any]) -> bool:
    path, sha256 = entry["path"], entry["sha256"]
    digest_fits = isinstance(sha256, str) and _SHA256.fullmatch(sha256) is not None
    return isinstance(path, str) and bool(path) and _count(entry["size_bytes"]) and digest_fits


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _texts(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(one, str) for one in value)


def _count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MOST


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _flag(value: Any) -> bool:
    return isinstance(value, bool)


def _table(value: Any) -> bool:
    return isinstance(value, dict)


def _numbers(value: Any) -> bool:
    return isinstance(value, dict) and all(_number(one) for one in value.values())


def _number(value: Any) -> bool:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    return abs(value) <= _MOST  # false for NaN too


def _list(value: Any) -> bool:
    return isinstance(value, list | tuple)


def _or_none(fits: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: value is None or fits(value)


_FIELDS: Mapping[str, Callable[[Any], bool]] = {
    "stamp": _table,
    "spec": _table,
    "started_at": _text,
    "ended_at": _text,
    "exit_code": _whole,
    "error": _or_none(_text),
    "inputs": _list,
    "files": _list,
    "timings_s": _numbers,
    "preflight": _table,
    "end_reason": _text,
    "verdict": _or_none(_text),
    "verdict_reasons": _texts,
    "claim": _or_none(_flag),
    "steps_start": _or_none(_count),
    "steps_done": _or_none(_count),
    "resumed_from": _or_none(_text),
    "resume_grade": _or_none(_text),
    "resume_reasons": _texts,
    "training": _table,
    "summary": _table,
    "runtime": _table,
}
