"""Reads and copies what a session writes or has written, within fixed memory: outputs, log, end of its event file."""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path, PurePath
from typing import IO, Any

from orchestrator.kernel.files.atomic import MOST_FOLDERS, walk
from orchestrator.kernel.reading.json_text import read_lines

LOG_NAME = "kernel.log"
CHUNK_BYTES = 1 << 20
MOST_LOG_BYTES = 256 << 20
"""Far above any log; of a longer one, the end is copied."""
LEFT_OUT = "[{count} bytes of the beginning of this log are left out; the whole log: {path}]\n"
TOO_LONG = "has a path that is too long: not copied"
FORBIDDEN = "may not be read: its permissions forbid it"
_RECENT_BYTES = 65_536
"""Some hundred progress reports: minutes to hours of a session."""
MOST_LINE_BYTES = 1 << 20
"""A longer line is read in parts of this size."""
_LONGEST_PATH = 2000
"""Half of the longest path that Linux accepts; a folder can be deeper than any path of it."""


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


@contextmanager
def regular_file(path: Path) -> Iterator[IO[bytes] | None]:
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


def copy_log(log: Path, into: Path) -> bool:
    """Copy a log, or the end of a very long one.

    Returns:
        Whether there was one; anything but a regular file is none.

    Raises:
        OSError: It cannot be read, or there is no room for it.
    """
    with regular_file(log) as stream:
        if stream is None:
            return False
        size = left = stream.seek(0, os.SEEK_END)
        with into.open("wb") as copy:
            if size > MOST_LOG_BYTES:
                left = MOST_LOG_BYTES
                copy.write(LEFT_OUT.format(count=size - left, path=log).encode("utf-8", "backslashreplace"))
            stream.seek(size - left)
            while left > 0 and (chunk := stream.read(min(CHUNK_BYTES, left))):
                left -= len(chunk)
                copy.write(chunk)
    return True


def remove_tree(root: Path, *, ignore_errors: bool = False) -> None:
    """As `shutil.rmtree`, for folders that are nested at any depth.

    Raises:
        OSError: Something cannot be deleted.
    """
    with suppress(*([OSError] if ignore_errors else [])):
        _flatten(root)
    shutil.rmtree(root, ignore_errors=ignore_errors)


def _flatten(root: Path) -> None:
    """Move what is nested too deep up into the root."""
    waiting, count = [root], 0
    while waiting:
        for folder, folders, _ in os.walk(waiting.pop()):
            if len(Path(folder).parts) - len(root.parts) < MOST_FOLDERS and len(folder) < _LONGEST_PATH:
                continue
            for name in folders:
                count += 1
                waiting.append(root / f".deep-{count}")
                os.replace(Path(folder, name), waiting[-1])
            folders.clear()


def copy_tree(outputs: Path, into: Path) -> Iterator[tuple[PurePath, str]]:
    """Copy folders and files, and the content of links to files, into a folder that exists.

    Yields:
        What cannot be copied, relative to `outputs`, each with the reason.

    Raises:
        OSError: They cannot be read, or there is no room for them.
    """
    closed: list[OSError] = []  # folders that cannot be listed
    # Links to folders are not followed: they may lead anywhere.
    for folder, folders, names in walk(outputs, closed.append):
        for name in sorted((*folders, *names)):
            source = Path(folder) / name
            path = source.relative_to(outputs)
            if (why := _copied(source, path, outputs, into)) is not None:
                if why:
                    yield path, why
                folders[:] = [one for one in folders if one != name]
    for fault in closed:
        path = Path(fault.filename).relative_to(outputs)
        if isinstance(fault, PermissionError):
            yield path, FORBIDDEN
        elif fault.errno == errno.ENAMETOOLONG:
            yield path, TOO_LONG
        elif path.parts:  # a session of a pack that never started has no folder
            raise fault


def _copied(source: Path, path: PurePath, outputs: Path, into: Path) -> str | None:
    """Copy a file or make a folder; returns as `_not_copied`."""
    try:
        if (why := _not_copied(source, path, outputs)) is not None:
            return why
        if source.is_dir():
            (into / path).mkdir()
        else:
            shutil.copy2(source, into / path)
    except OSError as fault:
        if fault.errno != errno.ENAMETOOLONG:
            raise
        return TOO_LONG
    return None


def _not_copied(source: Path, path: PurePath, outputs: Path) -> str | None:
    """Why something among the outputs is not copied: empty if its content is copied elsewhere, None if it is copied."""
    if path == PurePath(LOG_NAME):
        return "has the name of the session's log: not copied"
    if source.is_symlink() and source.is_dir():
        inside = source.resolve().is_relative_to(outputs.resolve())
        return "" if inside else "is a link to a folder outside of the outputs: not copied"
    if not source.is_dir() and not source.is_file():
        return "is a broken link or no regular file: not copied"
    return None if os.access(source, os.R_OK) else FORBIDDEN


Lines = Iterator[tuple[str, int]]


def copy_outputs(
    outputs: Path | None, log: Path, into: Path, own: Callable[[Lines], Lines] | None = None
) -> list[tuple[PurePath, str]]:
    """Copy the outputs and the log of an ended session into a folder that exists.

    Args:
        outputs: None for a session that wrote none.
        own: Chooses the session's lines in the log of a pack; None for a session alone.

    Returns:
        What cannot be copied, relative to `outputs`, each with the reason.

    Raises:
        OSError: They cannot be read, or there is no room for them.
    """
    missing = [] if outputs is None else list(copy_tree(outputs, into))
    copied = into / LOG_NAME
    try:
        if own is None:
            copy_log(log, copied)
        elif log.is_file():
            with copied.open("w", encoding="utf-8", newline="\n") as copy:
                copy.writelines(f"{line}\n" for line, _ in own(log_lines(log, 0, ended=True)))
    except PermissionError as fault:
        if str(fault.filename) != str(log):
            raise
        missing.append((PurePath(LOG_NAME), FORBIDDEN))
    return missing
