"""The sessions in one sandbox: usually one, in a pack several."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import IO

from orchestrator.backends.local.sandbox import Sandbox, read_json
from orchestrator.core.session.backend_types import Observation, SessionState
from orchestrator.core.session.end_reason import EndReason
from orchestrator.core.session.missing_outputs import Lack, MissingFile
from orchestrator.core.session.pack import own_lines_from
from orchestrator.core.session.spec import read_ticket
from orchestrator.kernel.pack.record import exit_code_in_pack
from orchestrator.kernel.session.manifest import read_manifest
from orchestrator.kernel.wire import PACK_NAME, Ticket

DAMAGED_END = "its record of the end is damaged"
"""State of a session whose `exit.json` cannot be used: its manifest has the exit code."""

LOG_NAME = "kernel.log"
CHUNK_BYTES = 1 << 20
MOST_LOG_BYTES = 256 << 20
"""Far above any log; of a longer one, the end is copied."""
LEFT_OUT = "[{count} bytes of the beginning of this log are left out; the whole log: {path}]\n"
_FORBIDDEN = "may not be read: its permissions forbid it"


def tickets_of(sandbox: Sandbox) -> tuple[Ticket, ...]:
    """The tickets of all sessions, in order; empty if another version of this program wrote them."""
    first, others = read_json(sandbox.ticket), read_json(sandbox.companions)
    companions = [] if others is None else others.get("tickets")
    if first is None or not isinstance(companions, list):
        return ()
    try:
        return tuple(read_ticket(plain) for plain in (first, *companions))
    except ValueError:
        return ()  # or they are damaged: nothing can be verified with them


def own_end(sandbox: Sandbox, member: int | None, ended: Mapping[str, object]) -> Observation:
    """How a session ended; in a pack by the pack's record.

    Without an exit code there, its kernel ended before it did.

    Args:
        ended: What the supervisor recorded of the kernel; empty if that is damaged.
    """
    exit_code, reason = ended.get("exit_code"), ended.get("reason")
    native = f"exit {exit_code}" if ended else DAMAGED_END
    record = sandbox.working / PACK_NAME
    if member is not None and record.is_file():
        exit_code = exit_code_in_pack(record, member)
    elif not ended:
        exit_code = manifest_code(sandbox.output(member))
    return Observation(
        state=SessionState.ENDED,
        native=native,
        exit_code=exit_code if isinstance(exit_code, int) else None,
        reason=EndReason(reason) if isinstance(reason, str) and reason in list(EndReason) else None,
    )


def manifest_code(working: Path) -> int | None:
    """The exit code in a manifest, None without a readable one: after the fetch a damaged manifest is reported."""
    try:
        manifest = read_manifest(working)
    except ValueError:
        return None
    return manifest.exit_code if manifest else None


def copy_outputs(
    sandbox: Sandbox, member: int | None, into: Path, whole_log: Callable[[Path], Iterator[tuple[str, int]]]
) -> tuple[MissingFile, ...]:
    """Copy a session's outputs and its part of the log into a new folder.

    Args:
        whole_log: The lines of an ended session's log, as `log_lines`; only a pack needs them one by one.

    Returns:
        What cannot be copied: broken links, links to folders elsewhere, pipes, files without permission to read.

    Raises:
        OSError: They cannot be read, or there is no room for them.
    """
    outputs = sandbox.output(member)
    into.mkdir(parents=True)  # stays empty for a session of a pack that never started
    missing = list(_copy_tree(outputs, into))
    log = into / LOG_NAME
    try:
        if member is None:
            copy_log(sandbox.log, log)
        elif sandbox.log.is_file():
            lines = own_lines_from(whole_log(sandbox.log), member)
            with log.open("w", encoding="utf-8", newline="\n") as copy:
                copy.writelines(f"{line}\n" for line, _ in lines)
    except PermissionError as fault:
        if str(fault.filename) != str(sandbox.log):
            raise
        missing.append(_missing(PurePath(LOG_NAME), _FORBIDDEN))
    return tuple(missing)


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


def _copy_tree(outputs: Path, into: Path) -> Iterator[MissingFile]:
    """Copy folders and files, and the content of links to files; returns what is neither."""
    closed: list[OSError] = []  # folders that cannot be listed
    # Links to folders are not followed: they may lead anywhere.
    for folder, folders, names in os.walk(outputs, onerror=closed.append):
        for name in sorted((*folders, *names)):
            source = Path(folder) / name
            path = source.relative_to(outputs)
            if (why := _not_copied(source, path, outputs)) is not None:
                if why:
                    yield _missing(path, why)
                folders[:] = [one for one in folders if one != name]
            elif source.is_dir():
                (into / path).mkdir()
            else:
                shutil.copy2(source, into / path)
    for fault in closed:
        path = Path(fault.filename).relative_to(outputs)
        if not isinstance(fault, PermissionError):
            if path.parts:
                raise fault
            continue  # a session of a pack that never started has no folder
        yield _missing(path, _FORBIDDEN)


def _not_copied(source: Path, path: PurePath, outputs: Path) -> str | None:
    """Why something among the outputs is not copied: empty if its content is copied elsewhere, None if it is copied."""
    if path == PurePath(LOG_NAME):
        return "has the name of the session's log: not copied"
    if source.is_symlink() and source.is_dir():
        inside = source.resolve().is_relative_to(outputs.resolve())
        return "" if inside else "is a link to a folder outside of the outputs: not copied"
    if not source.is_dir() and not source.is_file():
        return "is a broken link or no regular file: not copied"
    return None if os.access(source, os.R_OK) else _FORBIDDEN


def _missing(path: PurePath, reason: str) -> MissingFile:
    return MissingFile(path=path.as_posix(), lack=Lack.WITHHELD, reason=reason)


def note_fetched(sandbox: Sandbox, member: int | None) -> None:
    """Note that a session's outputs were fetched: the sandbox may be emptied once all of them were."""
    if member is not None:
        sandbox.fetched_member(member).touch()
        numbers = range(1, len(tickets_of(sandbox)) + 1)
        if not all(sandbox.fetched_member(number).exists() for number in numbers):
            return
    sandbox.fetched.touch()
