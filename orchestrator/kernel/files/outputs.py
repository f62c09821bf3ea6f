"""Reads the log and the events of a session, also while the session is writing them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from orchestrator.kernel.reading.json_text import read_lines

_RECENT_BYTES = 65_536
"""Some hundred progress reports: minutes to hours of a session."""


def recent_events(path: Path) -> Sequence[Mapping[str, Any]]:
    """The events at the end of an event file; empty if it cannot be read now."""
    try:
        if not path.is_file():  # a pipe would never end
            return ()
        with path.open("rb") as stream:
            stream.seek(max(0, stream.seek(0, os.SEEK_END) - _RECENT_BYTES))
            content = stream.read(_RECENT_BYTES)
    except OSError:
        return ()  # not begun, or emptied after its outputs were fetched
    return [event for _, event in read_lines(content, path.name) if isinstance(event, dict)]


def lines_after(log: Path, cursor: int) -> Iterator[tuple[str, int]]:
    """Complete lines of a log after byte `cursor`, each with the cursor after it; none if there is no log."""
    try:
        with log.open("rb") as stream:
            stream.seek(cursor)
            fresh = stream.read()
    except FileNotFoundError:
        return
    for line in fresh[: fresh.rfind(b"\n") + 1].split(b"\n")[:-1]:
        cursor += len(line) + 1
        yield line.decode("utf-8", "replace").rstrip("\r"), cursor
