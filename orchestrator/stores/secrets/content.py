"""Everything that a file holds: members of archives, compressed streams, other encodings, base64."""

from __future__ import annotations

import base64
import binascii
import bz2
import io
import lzma
import re
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

MOST_BYTES = 32 << 30
"""Limit for one file with all that is packed in it: a small archive can unpack to terabytes."""
_DEEPEST = 6
_STREAM = re.compile(
    rb"\x1f\x8b\x08|BZh[1-9]1AY&SY|\xfd7zXZ\x00|\x5d\x00\x00[\x00-\xff]{2}|PK\x03\x04"
    rb"|\x78[\x01\x5e\x9c\xda]|\x68[\x05\x43\x81\xde]|\x58[\x09\x47\x85\xc3]|\x48[\x0d\x4b\x89\xc7]"
    rb"|\x38[\x11\x4f\x8d\xcb]|\x28[\x15\x53\x91\xcf]|\x18[\x19\x57\x95\xd3]|\x08[\x1d\x5b\x99\xd7]"
)
"""Beginnings of gzip, bzip2, xz, lzma, zip and zlib streams (RFC 1950). One may stand anywhere in a file."""
_OPAQUE = {b"7z\xbc\xaf\x27\x1c": "7z", b"Rar!\x1a\x07": "rar", b"\x28\xb5\x2f\xfd": "zstd", b"\x04\x22\x4d\x18": "lz4"}
_OPAQUE |= {b"\x1f\x9d\x90": "compress", b"LZIP": "lzip", b"MSCF": "cab"}
_PIECE_BYTES, _WINDOW_BYTES, _OVERLAP_BYTES = 1 << 16, 1 << 28, 1 << 16
_LEAST_STREAM = 16
_MOST_DICTIONARY_BYTES = 1 << 28
_BASE64 = re.compile(
    rb"(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/_-]{24,}={0,2}(?:(?:\\n|[\r\n\t \\\"',])+[A-Za-z0-9+/_-]{16,}={0,2})*"
    rb"(?:(?:\\n|[\r\n\t \\\"',])+[A-Za-z0-9+/_-]{2,}={1,2})?"
)
MAYBE_PACKED = re.compile(
    rb"[^\t\n\x0c\r\x1b\x20-\x7e\x80-\xff]|\\u00[0-9A-Fa-f]{2}"
    rb"|(?<![A-Za-z0-9+/_-])(?=[a-z0-9+/_-]*[A-Z])(?=[A-Z0-9+/_-]*[a-z])"
    rb"(?:(?=[A-Za-z_-]*[0-9+/])[A-Za-z0-9+/_-]{24,}|[A-Za-z0-9+/_-]{40,})"
    rb"|(?<![0-9A-Za-z])(?:[0-9a-f]{40}|[0-9A-F]{40})"
)
"""A control character, an escape or a long word in mixed case: a content without any of them holds nothing packed."""
_HEXADECIMAL = re.compile(rb"(?<![0-9A-Za-z])(?:[0-9A-Fa-f]{2}){20,}(?![0-9A-Za-z])")
_NOT_BASE64 = re.compile(rb"\\n|[^A-Za-z0-9+/]")
_ESCAPES = re.compile(rb"\\u00([0-9A-Fa-f]{2})")
_TEXT = re.compile(rb"[\t\n\x0c\r\x1b\x20-\x7e\x80-\xff]*")
_MARKS = ((b"\xff\xfe\0\0", "utf-32"), (b"\0\0\xfe\xff", "utf-32"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
_DAMAGED = (zipfile.BadZipFile, RuntimeError, NotImplementedError, EOFError, OSError, zlib.error, lzma.LZMAError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One way to read a file, or a part of it.

    Attributes:
        place: The file, and the part in it.
        trouble: Why a part cannot be searched; empty if it can.
    """

    place: str
    content: bytes = b""
    trouble: str = ""


def readings(place: str, content: bytes, most_bytes: int = MOST_BYTES) -> Iterator[Reading]:
    """A content, and everything that is packed or encoded in it. A member's name is a reading of its own.

    Args:
        most_bytes: Limit for all readings together; at the limit a reading with a trouble ends them.
    """
    left_bytes = most_bytes
    waiting = [(iter([Reading(place=place, content=content)]), 0)]
    while waiting:
        parts, depth = waiting[-1]
        reading = next(parts, None)
        if reading is None:
            waiting.pop()
            continue
        left_bytes -= len(reading.content)
        if left_bytes < 0:
            yield Reading(place=place, trouble=f"unpacks to more than {most_bytes} bytes and cannot be searched")
            return
        yield reading
        if depth < _DEEPEST and reading.content:
            waiting.append((_parts(reading.place, reading.content), depth + 1))
        elif _is_zip(reading.content):
            yield Reading(place=place, trouble=f"holds an archive in {_DEEPEST} others and cannot be searched")


def is_text(content: bytes) -> bool:
    """Whether a content has no control characters, so that it is neither compressed nor a table of numbers."""
    return _TEXT.fullmatch(content) is not None


def _parts(place: str, content: bytes) -> Iterator[Reading]:
    """What is directly in a content."""
    if is_text(content):
        yield from (Reading(place=f"{place} (base64)", content=plain) for plain in _base64_in(content))
        yield from (Reading(place=f"{place} (hexadecimal)", content=plain) for plain in _hexadecimal_in(content))
        if _ESCAPES.search(content):
            plain = _ESCAPES.sub(lambda found: bytes([int(found[1], 16)]), content)
            yield Reading(place=f"{place} (escapes)", content=plain)
        return
    if (text := _other_encoding(content)) is not None:
        yield Reading(place=f"{place} (as UTF-8)", content=text)
        return
    for magic, kind in _OPAQUE.items():
        if content.startswith(magic):
            yield Reading(place=place, trouble=f"is in the format {kind}, which cannot be searched: use .zip")
    members = set[int]()
    if _is_zip(content):
        yield from _of_zip(place, content, members)
    elif content[257:262] == b"ustar":
        yield from _of_tar(place, content)
    yield from (Reading(place=f"{place} (unpacked)", content=plain) for plain in _streams(content, members))


def _is_zip(content: bytes) -> bool:
    return zipfile.is_zipfile(io.BytesIO(content))


def _of_zip(place: str, content: bytes, members: set[int]) -> Iterator[Reading]:
    """Names and contents of a zip's members; `members` receives where they begin."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for member in archive.infolist():
                name = member.filename.encode("utf-8", "surrogateescape")
                yield Reading(place=f"{place}, name of a member", content=name)
                with archive.open(member) as stream:
                    for window in _windows(iter(lambda: stream.read(_PIECE_BYTES), b"")):  # read at once
                        yield Reading(place=f"{place}: {member.filename}", content=window)
                members.add(member.header_offset)
    except _DAMAGED as fault:
        # Encrypted or damaged; a verified checkpoint is never such an archive.
        yield Reading(place=place, trouble=f"is an archive that cannot be searched: {type(fault).__name__}")


def _of_tar(place: str, content: bytes) -> Iterator[Reading]:
    """Members of a tar. A damaged rest needs no refusal: tar itself compresses nothing."""
    with (
        suppress(tarfile.TarError, OSError, EOFError, ValueError),
        tarfile.open(fileobj=io.BytesIO(content)) as archive,
    ):
        for member in archive:
            stream = archive.extractfile(member) if member.isfile() else None
            if stream is not None:
                yield Reading(place=f"{place}: {member.name}", content=stream.read())


def _windows(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Chunks joined to windows that fit into memory; each begins with the end of the one before."""
    held, size_bytes = [], 0
    for chunk in chunks:
        held.append(chunk)
        size_bytes += len(chunk)
        if size_bytes >= _WINDOW_BYTES:
            window = b"".join(held)
            yield window
            held = [window[-_OVERLAP_BYTES:]]
            size_bytes = len(held[0])
    if size_bytes:
        yield b"".join(held)


class _Stream:
    """One compressed stream.

    Args:
        view: Begins with the stream; what is behind it is not read.
    """

    def __init__(self, view: memoryview, magic: bytes) -> None:
        self.used = 0
        if magic == b"PK\3\4":  # a member of a zip that stands anywhere: 30 bytes, name and extra field before its data
            behind = 30 + int.from_bytes(view[26:28], "little") + int.from_bytes(view[28:30], "little")
            self._view, self._machine = view[behind:], zlib.decompressobj(-15)
        else:
            self._view, self._machine = view, _machine(magic)

    def chunks(self) -> Iterator[bytes]:
        """What it unpacks to, as far as it is valid; nothing for bytes that are no stream."""
        machine, fed = self._machine, 0
        while not machine.eof:
            left = getattr(machine, "unconsumed_tail", b"")
            given = left
            if not left and getattr(machine, "needs_input", True):
                given = self._view[fed : fed + _PIECE_BYTES]
                fed += len(given)
                if not given:
                    return
            try:
                plain = machine.decompress(given, _PIECE_BYTES << 4)
            except (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError):
                return
            if plain:
                yield plain
        self.used = fed - len(machine.unused_data)


def _machine(magic: bytes) -> Any:
    if magic.startswith(b"\x1f\x8b"):
        return zlib.decompressobj(31)
    if magic.startswith(b"BZh"):
        return bz2.BZ2Decompressor()
    if magic[0] in (0xFD, 0x5D):
        return lzma.LZMADecompressor(memlimit=_MOST_DICTIONARY_BYTES)
    return zlib.decompressobj()


def _streams(content: bytes, members: set[int]) -> Iterator[bytes]:
    """Every compressed stream, wherever it begins, except the members of a zip that were read."""
    view, at = memoryview(content), 0
    while (found := _STREAM.search(content, at)) is not None:
        at = found.start() + 1
        if found[0] == b"PK\3\4" and (found.start() in members or content[at + 7 : at + 9] != b"\x08\0"):
            continue  # known, or not compressed
        stream = _Stream(view[found.start() :], found[0])
        yield from (window for window in _windows(stream.chunks()) if len(window) >= _LEAST_STREAM)
        at += max(stream.used - 1, 0)


def _other_encoding(content: bytes) -> bytes | None:
    """A text in UTF-16 or UTF-32 as UTF-8; None for other content."""
    encoding = next((encoding for mark, encoding in _MARKS if content.startswith(mark)), None)
    if encoding is None and len(content) >= 16 and len(content) % 2 == 0:
        # Without a mark, one byte of every pair is zero in a text of ASCII characters.
        for first, guess in ((0, "utf-16-be"), (1, "utf-16-le")):
            if content[first::2].count(0) * 10 > len(content) // 2 * 9 and is_text(content[1 - first :: 2]):
                encoding = guess
    return None if encoding is None else content.decode(encoding, "replace").encode("utf-8", "replace")


def _base64_in(content: bytes) -> Iterator[bytes]:
    """What long base64 texts decode to, if that is a text, compressed, or in another encoding."""
    for found in _BASE64.finditer(content):
        plain = _NOT_BASE64.sub(b"", found[0].replace(b"-", b"+").replace(b"_", b"/"))
        plain = plain[: len(plain) - (len(plain) % 4 == 1)]
        with suppress(binascii.Error):
            decoded = base64.b64decode(plain + b"=" * (-len(plain) % 4))
            if is_text(decoded) or _STREAM.search(decoded) or b"\0" in decoded:
                yield decoded


def _hexadecimal_in(content: bytes) -> Iterator[bytes]:
    """What long hexadecimal texts mean, if that is a text or compressed; a digest is neither."""
    for found in _HEXADECIMAL.finditer(content):
        decoded = bytes.fromhex(found[0].decode("ascii"))
        if is_text(decoded) or _STREAM.match(decoded):
            yield decoded
