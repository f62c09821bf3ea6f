"""Reads what a session wrote for an autopsy: never fails, reads little of large files, and says what is damaged."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from orchestrator.core.autopsy.evidence import LOG_NAME, Line, Outputs
from orchestrator.core.autopsy.subject import Candidate, slug_in
from orchestrator.core.cache import Cache
from orchestrator.core.session.pack import own_lines
from orchestrator.kernel.pack.record import exit_code_in_pack
from orchestrator.kernel.reading.json_text import Unreadable, read_json
from orchestrator.kernel.session.manifest import Manifest, read_manifest
from orchestrator.kernel.wire import EVENTS_NAME, MANIFEST_NAME, PACK_NAME

_MOST_KEPT = 200
_read: Cache[Outputs] = Cache(_MOST_KEPT)
"""Outputs that were read: a served page examines the same bad endings again and again."""
_TAIL_BYTES = 256_000
_TAIL_LINES = 400
_EVENTS_BYTES = 4_000_000
"""Twice the limit of an event file."""


def read_outputs(folder: Path, shown: str, log: Path | None = None, member: int | None = None) -> Outputs:
    """What lies in a folder of outputs.

    Args:
        shown: The folder, for people.
        log: The log, if it is elsewhere.
        member: Number of the session in its pack, if the log and the folder above are of the whole pack.
    """
    log = log or folder / LOG_NAME
    files = (folder / MANIFEST_NAME, folder / EVENTS_NAME, log, folder.parent / PACK_NAME)
    state = (shown, tuple(_state(path) for path in files))
    return _read.get((folder, log, member), state, lambda: _outputs(folder, shown, log, member))


def _state(path: Path) -> tuple[int, int, int] | None:
    """What differs when a file was written again; None without a readable one."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def _outputs(folder: Path, shown: str, log: Path, member: int | None) -> Outputs:
    manifest, fault = _manifest(folder)
    return Outputs(
        folder=shown,
        manifest=manifest,
        manifest_fault=fault,
        events=tuple(_events(folder / EVENTS_NAME)),
        log=_log(log, member),
        exit_code=None if member is None else exit_code_in_pack(folder.parent / PACK_NAME, member),
    )


def written_sessions(results: Path, known: Collection[str] = ()) -> Iterator[Candidate]:
    """A candidate for each results folder, from what is in it: the ledger may be gone, or older than the results.

    Args:
        known: Names of folders and of sessions that are left out.
    """
    try:
        folders = sorted(path for path in results.iterdir() if path.is_dir() and slug_in(path.name))
    except OSError:
        return
    for folder in folders:
        if folder.name in known or slug_in(folder.name) in known:
            continue
        manifest, _ = _manifest(folder)
        stamp: Mapping[str, Any] = manifest.stamp if manifest is not None else _stamp_in_events(folder)
        slug = slug_in(folder.name)
        yield Candidate(
            section=_text(stamp, "section"),
            lineage_id=_text(stamp, "lineage_id") or slug.rpartition("-s")[0][-8:],
            run_id=_text(stamp, "run_id"),
            slug=slug,
            folder=folder.name,
            at=manifest.started_at if manifest is not None else _changed_at(folder),
        )


def _text(stamp: Mapping[str, Any], name: str) -> str:
    value = stamp.get(name)
    return value if isinstance(value, str) else ""


def _stamp_in_events(folder: Path) -> Mapping[str, Any]:
    events = [event for _, event in _events(folder / EVENTS_NAME)]
    return next((event for event in events if event.get("kind") == "started"), {})


def _changed_at(folder: Path) -> str:
    try:
        return datetime.fromtimestamp(folder.stat().st_mtime, UTC).isoformat()
    except (OSError, ValueError, OverflowError):
        return ""


def _manifest(folder: Path) -> tuple[Manifest | None, str]:
    try:
        return read_manifest(folder), ""
    except (OSError, Unreadable) as fault:
        return None, str(fault)


def _events(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Line number and event; lines that are none are skipped."""
    for number, line in _lines(path, _EVENTS_BYTES):
        try:
            event = read_json(line)
        except Unreadable:
            continue
        if isinstance(event, dict) and number is not None:
            yield number, event


def _log(path: Path, member: int | None) -> tuple[Line, ...]:
    """The last lines of a log that say something."""
    if member is None:
        lines = [Line(number=number, text=text) for number, text in _lines(path, _TAIL_BYTES) if text.strip()]
    else:
        texts = own_lines((text for _, text in _lines(path, _TAIL_BYTES)), member)
        lines = [Line(number=None, text=text) for text in texts if text.strip()]
    return tuple(lines[-_TAIL_LINES:])


def _lines(path: Path, most_bytes: int) -> Iterator[tuple[int | None, str]]:
    """The lines at the end of a file, with their numbers if the whole file is read."""
    try:
        if not path.is_file():  # a pipe would never end
            return
        with path.open("rb") as stream:
            size = stream.seek(0, 2)
            stream.seek(max(0, size - most_bytes))
            content = stream.read(most_bytes)
    except (OSError, ValueError):
        return
    lines = content.decode("utf-8", "replace").split("\n")
    whole = size <= most_bytes
    for number, line in enumerate(lines if whole else lines[1:], 1):
        yield number if whole else None, line.rstrip("\r")


def log_tail(lines: Iterator[str]) -> tuple[Line, ...]:
    """The last lines of a log that comes from a backend."""
    numbered = (Line(number=number, text=text) for number, text in enumerate(lines, 1))
    return tuple(deque((one for one in numbered if one.text.strip()), _TAIL_LINES))
