"""Reads zips from outside: members by name within limits, or `Unreadable`. Nothing is unpickled, nothing extracted.

A zip states its own sizes, and a few kilobytes can unpack to gigabytes. So the stated sizes are checked first, and
what is read is counted.
"""

from __future__ import annotations

import errno
import io
import lzma
import os
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from orchestrator.kernel.reading.json_text import Unreadable, shown

MOST_MEMBERS = 100_000
MOST_UNPACKED = 16 << 30
"""Above every checkpoint. For a zip that is compressed; one that is not unpacks to its own size."""
_DIRECTORY_BYTES = 64 << 20
"""Largest table of members; `zipfile` needs about ten times its size in memory."""
_TAIL_BYTES = 22 + 65_535
"""The end record of a zip with its longest comment. Source: APPNOTE.TXT 6.3.10, section 4.3.16."""
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
_CHUNK_BYTES = 1 << 20
_DAMAGED = (
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    OverflowError,
    struct.error,
)
"""What `zipfile` raises for damaged archives."""


class Archive:
    """An open zip.

    Attributes:
        name: Of the file, for errors.
        sizes: Name of each member -> its stated size in bytes, in the order of the archive.
    """

    def __init__(self, archive: zipfile.ZipFile, name: str, most_bytes: int) -> None:
        self.name = name
        self._archive = archive
        members = archive.infolist()
        self.sizes = {one.filename: one.file_size for one in members}
        if len(self.sizes) < len(members):
            raise Unreadable(name, "two of its members have the same name")
        if (unpacked := sum(self.sizes.values())) > most_bytes:
            raise Unreadable(name, f"it would unpack to {unpacked} bytes; {most_bytes} are allowed")
        for one in members:
            if one.flag_bits & 0x1:
                raise Unreadable(name, "is encrypted", shown(one.filename))
            if one.compress_type not in _METHODS:
                raise Unreadable(name, f"is compressed by the unknown method {one.compress_type}", shown(one.filename))

    def __contains__(self, member: str) -> bool:
        return member in self.sizes

    def __iter__(self) -> Iterator[str]:
        return iter(self.sizes)

    def read(self, member: str, most_bytes: int | None = None) -> bytes:
        """The bytes of a member, its checksum verified.

        Raises:
            Unreadable: It is missing, damaged or larger than `most_bytes`.
        """
        with self.stream(member, most_bytes) as stream:
            # With a limit: an unlimited read decompresses everything before it cuts it to the stated size.
            return stream.read(self.sizes[member] + 1)

    def chunks(self, member: str) -> Iterator[bytes]:
        """The bytes of a member, piece by piece; errors as of `read`."""
        with self.stream(member) as stream:
            while chunk := stream.read(_CHUNK_BYTES):
                yield chunk

    @contextmanager
    def stream(self, member: str, most_bytes: int | None = None) -> Iterator[IO[bytes]]:
        """A member, open for reading; gives no more bytes than it states. Errors as of `read`."""
        if member not in self.sizes:
            raise Unreadable(self.name, "is missing", shown(member))
        if most_bytes is not None and self.sizes[member] > most_bytes:
            raise Unreadable(self.name, f"is larger than {most_bytes} bytes", shown(member))
        with _readable(self.name, f"{shown(member)} is damaged"), self._archive.open(member) as stream:
            yield stream


@contextmanager
def _readable(name: str, what: str) -> Iterator[None]:
    """Turn what `zipfile` raises for a damaged archive into `Unreadable`; a fault of the disk is raised as it is."""
    try:
        yield
    except Unreadable:
        raise
    except (*_DAMAGED, OSError) as fault:
        # A damaged bzip2 stream has no number; an offset before the file is an invalid argument.
        if isinstance(fault, OSError) and fault.errno not in (None, errno.EINVAL):
            raise
        raise Unreadable(name, f"{what}: {fault}") from fault


@contextmanager
def open_archive(source: Path | bytes | IO[bytes], name: str, most_bytes: int) -> Iterator[Archive]:
    """Open a zip from outside.

    Args:
        source: Its path, its bytes, or an open stream.
        name: Of the file, for errors.
        most_bytes: What all members together may unpack to.

    Raises:
        Unreadable: It is no zip, is damaged or encrypted, or exceeds a limit.
        OSError: The file cannot be opened.
    """
    stream = (
        source.open("rb") if isinstance(source, Path) else io.BytesIO(source) if isinstance(source, bytes) else source
    )
    try:
        _require_small_directory(stream, name)
        with _readable(name, "it is no zip file, or it is damaged"):
            opened = zipfile.ZipFile(stream)
        with opened:
            yield Archive(opened, name, most_bytes)
    finally:
        if isinstance(source, Path):
            stream.close()


def is_archive(source: Path | bytes) -> bool:
    """Whether a file or its bytes are a zip, as far as its end record shows."""
    return zipfile.is_zipfile(io.BytesIO(source) if isinstance(source, bytes) else source)


def _require_small_directory(stream: IO[bytes], name: str) -> None:
    """Check the size of the table of members before `zipfile` builds an object for each."""
    end = stream.seek(0, os.SEEK_END)
    stream.seek(max(0, end - _TAIL_BYTES))
    tail = stream.read(_TAIL_BYTES)
    place = tail.rfind(b"PK\x05\x06")
    if place < 0 or len(tail) < place + 22:
        raise Unreadable(name, "it is no zip file, or it is cut off")
    count, size_bytes = struct.unpack_from("<HI", tail, place + 10)
    if place >= 20 and tail[place - 20 : place - 16] == b"PK\x06\x07":  # ZIP64 has its own record of both numbers
        stream.seek(min(end, struct.unpack_from("<Q", tail, place - 12)[0]))
        record = stream.read(56)
        if len(record) == 56 and record.startswith(b"PK\x06\x06"):
            count, size_bytes = struct.unpack_from("<QQ", record, 32)
    if count > MOST_MEMBERS or size_bytes > _DIRECTORY_BYTES:
        raise Unreadable(name, f"it has {count} members in a table of {size_bytes} bytes")
    stream.seek(0)
