"""Reads what a session may still be writing, within fixed memory: the end of its event file, and its log."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from orchestrator.kernel.reading.json_text import read_lines

_RECENT_BYTES = 65_536
"""Some hundred progress reports: minutes to hours of a session."""
_CHUNK_BYTES = 1 << 20
MOST_LINE_BYTES = 1 << 20
"""A longer line is read in parts of this size."""
MOST_LOG_BYTES = 256 << 20
"""Far above any log; of a longer one, the end is copied."""
LEFT_OUT = "[{count} bytes of the beginning of this log are left out; the whole log: {path}]\n"


@contextmanager
def _regular(path: Path) -> Iterator[IO[bytes] | None]:
    """The stream of a regular file, None for anything else: a pipe blocks, and a device may have no end."""
    # O_NONBLOCK: the path may become a pipe after any earlier look. It changes nothing for a regular file.
    flags = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        number = os.open(path, flags) if path.is_file() else None
    except FileNotFoundError:
        number = None
    if number is None:
        yield None
        return
    with os.fdopen(number, "rb") as stream:
        yield stream if stat.S_ISREG(os.fstat(number).st_mode) else None


def recent_events(path: Path) -> Sequence[Mapping[str, Any]]:
    """The events at the end of an event file; empty if it cannot be read now."""
    try:
        with _regular(path) as stream:
            if stream is None:
                return ()
            stream.seek(max(0, stream.seek(0, os.SEEK_END) - _RECENT_BYTES))
            content = stream.read(_RECENT_BYTES)
    except OSError:
        return ()  # not begun, or emptied after its outputs were fetched
    return [event for _, event in read_lines(content, path.name) if isinstance(event, dict)]


def log_lines(path: Path, cursor: int, *, ended: bool = False) -> Iterator[tuple[str, int]]:
    """The lines of a log after a byte, up to its present end, each with the byte after it.

    Args:
        ended: Whether a last line without its end is one too; while the session runs it is not complete.

    Raises:
        OSError: It cannot be read.
    """
    with _regular(path) as stream:
        if stream is None:
            return
        left = stream.seek(0, os.SEEK_END) - cursor
        stream.seek(cursor)
        rest = b""
        while left > 0 and (chunk := stream.read(min(_CHUNK_BYTES, left))):
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


def copy_log(log: Path, into: Path) -> bool:
    """Copy a log, or the end of a very long one.

    Returns:
        Whether there was one; anything but a regular file is none.

    Raises:
        OSError: It cannot be read, or there is no room for it.
    """
    with _regular(log) as stream:
        if stream is None:
            return False
        size = left = stream.seek(0, os.SEEK_END)
        with into.open("wb") as copy:
            if size > MOST_LOG_BYTES:
                left = MOST_LOG_BYTES
                copy.write(LEFT_OUT.format(count=size - left, path=log).encode("utf-8", "backslashreplace"))
            stream.seek(size - left)
            while left > 0 and (chunk := stream.read(min(_CHUNK_BYTES, left))):
                left -= len(chunk)
                copy.write(chunk)
    return True
