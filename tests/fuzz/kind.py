"""One kind of input from outside: valid examples, and the code that reads it as the program does."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.kernel.reading.json_text import without_controls


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of input.

    Attributes:
        seeds: Valid examples.
        read: Reads the bytes, with a scratch folder, and uses what it has read; returns whether they were accepted.
            Any exception is a crash: it raises none for hostile bytes.
    """

    name: str
    seeds: tuple[bytes, ...]
    read: Callable[[bytes, Path], bool]


def require_plain(value: Any) -> None:
    """Check that a value can be written: to JSON without NaN, as UTF-8, to a terminal without control characters."""
    text = json.dumps(value, allow_nan=False, ensure_ascii=False, default=str)
    without_controls(text).encode("utf-8")
    shown = without_controls("\n".join(_texts(value)))
    assert "\x1b" not in shown and "\x9b" not in shown


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    return [text for one in inner for text in _texts(one)]


def write(folder: Path, name: str, content: bytes) -> Path:
    """Write a file of the scratch folder; returns its path."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path
