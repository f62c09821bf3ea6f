"""Reads a tar from outside that is in memory: files and folders, or `Unreadable`. Nothing is extracted.

Python's own `tarfile` follows sizes below zero and sparse files of any size; here every member lies inside the bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from orchestrator.kernel.reading.json_text import Unreadable

_BLOCK = 512
_END = bytes(2 * _BLOCK)
_FILE, _FOLDER, _LONG_NAME = (b"0", b"\0"), b"5", b"L"
"""Source: POSIX.1-2017, pax, ustar interchange format; of long names, GNU tar's manual, Standard Format."""


def read_tar(content: bytes, name: str) -> Iterator[tuple[PurePosixPath, bytes | None]]:
    """The files of a tar with their content, and its folders with None.

    Links, devices, and paths that lead out of the tar's own folder are left out.

    Args:
        content: As GNU tar writes it, not compressed.
        name: Of the tar in a message.

    Raises:
        Unreadable: It is no tar, or is cut off.
    """
    place, long_name = 0, b""
    while content[place : place + len(_END)] != _END:
        header = content[place : place + _BLOCK]
        kind, size = header[156:157], _size(header, name)
        body = content[place + _BLOCK : place + _BLOCK + size]
        if len(body) < size:
            raise Unreadable(name, "it is cut off")
        place += _BLOCK + -(-size // _BLOCK) * _BLOCK
        if kind == _LONG_NAME:
            long_name = body
            continue
        text = (long_name or header[:100]).partition(b"\0")[0].decode("utf-8", "surrogateescape")
        long_name, path = b"", PurePosixPath(text)
        if path.is_absolute() or ".." in path.parts:
            continue
        if kind in _FILE:
            yield path, body
        elif kind == _FOLDER:
            yield path, None


def _size(header: bytes, name: str) -> int:
    """Bytes of a member.

    Raises:
        Unreadable: The header is cut off or damaged.
    """
    try:
        size, checksum = (int(header[first:last].strip(b" \0") or b"x", 8) for first, last in ((124, 136), (148, 156)))
    except ValueError as fault:
        raise Unreadable(name, "it is cut off or damaged") from fault
    if size < 0 or checksum != sum(header) - sum(header[148:156]) + 8 * ord(" "):
        raise Unreadable(name, "it is damaged")
    return size
