"""Reads the output folder of a session, also while the session is writing it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePath
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


def copy_outputs(outputs: Path, into: Path) -> Iterator[tuple[PurePath, str]]:
    """Copy folders and files, and the content of links to files, into a folder that exists.

    Yields:
        What cannot be copied, relative to `outputs`, each with the reason: broken links, links to folders elsewhere,
        pipes, files without permission to read.

    Raises:
        OSError: They cannot be read, or there is no room for them.
    """
    for folder, folders, names in os.walk(outputs):  # does not follow links to folders: they may lead anywhere
        for name in sorted((*folders, *names)):
            source = Path(folder) / name
            path = source.relative_to(outputs)
            if source.is_symlink() and source.is_dir():
                if not source.resolve().is_relative_to(outputs.resolve()):
                    yield path, "is a link to a folder outside of the outputs: not copied"
            elif source.is_dir():
                (into / path).mkdir()
            elif not source.is_file():
                yield path, "is a broken link or no regular file: not copied"
            elif not os.access(source, os.R_OK):
                yield path, "may not be read: its permissions forbid it"
            else:
                shutil.copy2(source, into / path)
