"""Reads what a session may still be writing, within fixed memory: the end of its event file, and its log."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from orchestrator.backends.local.members import CHUNK_BYTES, regular_file
from orchestrator.kernel.reading.json_text import read_lines

_RECENT_BYTES = 65_536
"""Some hundred progress reports: minutes to hours of a session."""
MOST_LINE_BYTES = 1 << 20
"""A longer line is read in parts of this size."""


def recent_events(path: Path) -> Sequence[Mapping[str, Any]]:
    """The events at the end of an event file; empty if it cannot be read now."""
    try:
        with regular_file(path) as stream:
            if stream is None:
                return ()
            stream.seek(max(0, stream.seek(0, os.SEEK_END) - _RECENT_BYTES))
            content = stream.read(_RECENT_BYTES)
    except OSError:
        return ()  # not begun, or emptied after its outputs were fetched
    return [event for _, event in read_lines(content, path.name) if isinstance(event, dict)]


def whole_log(path: Path) -> Iterator[tuple[str, int]]:
    """The lines of the log of an ended session.

    Raises:
        OSError: It cannot be read.
    """
    return log_lines(path, 0, ended=True)


def log_lines(path: Path, cursor: int, *, ended: bool = False) -> Iterator[tuple[str, int]]:
    """The lines of a log after a byte, up to its present end, each with the byte after it.

    Args:
        ended: Whether a last line without its end is one too; while the session runs it is not complete.

    Raises:
        OSError: It cannot be read.
    """
    with regular_file(path) as stream:
        if stream is None:
            return
        left = stream.seek(0, os.SEEK_END) - cursor
        stream.seek(cursor)
        rest = b""
        while left > 0 and (chunk := stream.read(min(CHUNK_BYTES, left))):
            left -= len(chunk)
            *whole, rest = (rest + chunk).split(b"\n")
            for line in whole:
                cursor += len(line) + 1
                yield line.decode("utf-8", "replace").rstrip("\r"), cursor
            if len(rest) >= MOST_LINE_BYTES:
                cursor += len(rest)
                yield rest.decode("utf-8", "replace"), cursor
                rest = b""
        if ended and rest:
            yield rest.decode("utf-8", "replace"), cursor + len(rest)
