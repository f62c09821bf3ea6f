"""Fetches all outputs of a session as one zip, in one request. What it lacks is fetched file by file afterwards."""

from __future__ import annotations

import os
import tempfile
import weakref
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from orchestrator.backends.kaggle.client.api import KaggleApi
from orchestrator.backends.kaggle.client.errors import ServiceFault
from orchestrator.backends.kaggle.session.download import MOST_BYTES, PARTIAL_SUFFIX
from orchestrator.kernel.files.storage import is_full
from orchestrator.kernel.reading.archive import Archive, open_archive
from orchestrator.kernel.reading.json_text import Unreadable
from orchestrator.kernel.session.container import opened_id
from orchestrator.kernel.wire import MANIFEST_NAME, FileEntry, member_folder, parse_report

FEWEST_FILES = 3
"""For fewer files a zip saves no request."""

MANIFEST_BYTES = 64 << 20
"""Far above any manifest, which takes about 200 bytes for each output, and any checkpoint card."""
UNDESCRIBED_BYTES = 2 << 30
"""Largest file that is fetched although neither a manifest nor a card describes it."""
_MEMBER_BYTES = 4096
"""More than a zip needs for a member besides its content."""


def session_id_in(lines: Collection[str]) -> int | None:
    """The session's number in its log; None unless the first report has it: later lines may be the section's own."""
    reports = (report for line in lines if (report := parse_report(line)) is not None)
    return opened_id(next(reports, {}))


def fetch_zip(
    api: KaggleApi, session_id: int, wanted: Collection[str], promised: Mapping[str, FileEntry], into: Path
) -> frozenset[str]:
    """Put the outputs that a session's zip holds into a folder.

    Nothing else than `wanted` is written, whatever the names in the zip are. Each file passes its own checksum; whether
    it is what the manifest describes is checked later, as for every file.

    Args:
        wanted: Listed paths that stay inside the folder.
        promised: Size of each output by the manifest; empty without one. The zip may have a margin above their sum.

    Returns:
        The files that were put there: none if Kaggle refuses the zip, or if it is damaged or too large.
    """
    archive = into / f".outputs{PARTIAL_SUFFIX}"
    try:
        with archive.open("w+b") as stream:
            if not _downloaded(api, session_id, stream, _most_bytes(wanted, promised)):
                return frozenset()
            return _unpacked(stream, "", wanted, promised, into)
    except (ServiceFault, Unreadable):
        return frozenset()
    except OSError as fault:
        if not is_full(fault):
            raise
        return frozenset()  # a zip needs its room twice; one file after another may still fit
    finally:
        archive.unlink(missing_ok=True)


@dataclass(slots=True, kw_only=True)
class _SharedZip:
    """A zip that is here.

    Attributes:
        served: Sessions of the pack that have had their files.
    """

    session_id: int
    stream: IO[bytes]
    served: set[int] = field(default_factory=set)


class PackZips:
    """Zips of kernels that several sessions share: each is fetched once for all of them.

    Only the newest is kept, in a file without a name: it is gone when this program ends, however it ends.
    """

    def __init__(self, api: KaggleApi) -> None:
        self._api = api
        self._kept: _SharedZip | None = None
        self._open = ExitStack()
        weakref.finalize(self, self._open.close)

    def fetch(
        self,
        session_id: int,
        member: int,
        members: int,
        wanted: Collection[str],
        promised: Mapping[str, FileEntry],
        into: Path,
    ) -> frozenset[str]:
        """As `fetch_zip`, for one session of a pack; a session that asks again gets a new zip.

        The sizes of the other sessions' outputs are not known: the zip may have `MOST_BYTES`.

        Args:
            members: Sessions of the pack that have outputs.
        """
        try:
            kept = self._kept
            if kept is None or kept.session_id != session_id or member in kept.served:
                kept = self._fetched(session_id, into.parent)
            if kept is None:
                return frozenset()
            kept.served.add(member)
            unpacked = _unpacked(kept.stream, f"{member_folder(member)}/", wanted, promised, into)
            if len(kept.served) >= members:
                self._forget()
            return unpacked
        except (ServiceFault, Unreadable):
            self._forget()
        except OSError as fault:
            self._forget()
            if not is_full(fault):
                raise
        return frozenset()

    def _fetched(self, session_id: int, folder: Path) -> _SharedZip | None:
        self._forget()
        stream = self._open.enter_context(tempfile.TemporaryFile(dir=folder))  # noqa: SIM115  # for later calls
        self._kept = _SharedZip(session_id=session_id, stream=stream)
        if not _downloaded(self._api, session_id, stream, MOST_BYTES):
            self._forget()
        return self._kept

    def _forget(self) -> None:
        self._open.close()
        self._kept = None


def _most_bytes(wanted: Collection[str], promised: Mapping[str, FileEntry]) -> int:
    if not promised:
        return MOST_BYTES
    described = sum(entry.size_bytes + _MEMBER_BYTES for entry in promised.values())
    others = [path for path in wanted if path not in promised and path != MANIFEST_NAME]
    return min(MOST_BYTES, described + MANIFEST_BYTES + UNDESCRIBED_BYTES * bool(others))


def _downloaded(api: KaggleApi, session_id: int, stream: IO[bytes], most_bytes: int) -> bool:
    size_bytes = 0
    with api.output_zip(session_id) as pieces:
        for piece in pieces:
            size_bytes += len(piece)
            if size_bytes > most_bytes:
                return False
            stream.write(piece)
    return True


def _unpacked(
    stream: IO[bytes], below: str, wanted: Collection[str], promised: Mapping[str, FileEntry], into: Path
) -> frozenset[str]:
    """The wanted files, after they were put into a folder.

    Args:
        below: What their names in the zip begin with.
    """
    with open_archive(stream, "the zip of the outputs", MOST_BYTES) as opened:
        return frozenset(_extracted(opened, below, frozenset(wanted), promised, into))


def _extracted(
    opened: Archive, below: str, wanted: frozenset[str], promised: Mapping[str, FileEntry], into: Path
) -> Iterator[str]:
    for member, size_bytes in opened.sizes.items():
        path = member.removeprefix(below)
        if path not in wanted or not member.startswith(below):
            continue
        if path in promised:
            fits = size_bytes == promised[path].size_bytes
        else:
            fits = size_bytes <= (MANIFEST_BYTES if path == MANIFEST_NAME else UNDESCRIBED_BYTES)
        if fits and _is_extracted(opened, member, into / path):
            yield path


def _is_extracted(opened: Archive, member: str, place: Path) -> bool:
    partial = place.with_name(f".member{PARTIAL_SUFFIX}")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as stream:
            stream.writelines(opened.chunks(member))
        os.replace(partial, place)
    except Unreadable:
        partial.unlink(missing_ok=True)
        return False
    except OSError as fault:
        partial.unlink(missing_ok=True)
        if is_full(fault):
            raise
        return False  # a name that is impossible here is reported when the file is fetched by itself
    return True
