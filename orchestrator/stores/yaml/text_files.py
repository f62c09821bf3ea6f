"""Reads text files written by users: UTF-8, up to 1 MiB."""

from __future__ import annotations

from pathlib import Path

from orchestrator.core.errors import BadInput

MOST_BYTES = 1 << 20
"""A card has about 4,000 bytes; a campaign that lists 10,000 cells stays below this limit."""

_UTF_16 = (b"\xff\xfe", b"\xfe\xff")


def read_text(path: Path) -> str:
    """Text of a file, without a byte order mark.

    Raises:
        BadInput: It cannot be read, is too large, or is not UTF-8.
    """
    if path.exists() and not path.is_dir() and not path.is_file():  # a pipe would never end
        raise BadInput(f"{path} cannot be read: it is a pipe or a device", remedy="Give the file itself.")
    try:
        with path.open("rb") as stream:
            content = stream.read(MOST_BYTES + 1)
    except IsADirectoryError as fault:
        raise BadInput(f"{path} cannot be read: it is a folder", remedy="Give the file itself.") from fault
    except OSError as fault:
        remedy = "Check the path and the file's permissions."
        raise BadInput(f"{path} cannot be read: {fault.strerror or fault}", remedy=remedy) from fault
    if len(content) > MOST_BYTES:
        raise BadInput(
            f"{path} cannot be read: it is larger than {MOST_BYTES} bytes",
            remedy="A section card and a campaign are small; is this the right file?",
        )
    if content.startswith(_UTF_16):
        raise BadInput(
            f"{path} cannot be read: it is UTF-16",
            remedy="Save it as UTF-8 (in Notepad: Save as, Encoding UTF-8).",
        )
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        line = content.count(b"\n", 0, fault.start) + 1
        raise BadInput(
            f"{path} cannot be read: line {line} holds a byte that is not UTF-8 (0x{content[fault.start]:02x})",
            remedy="Save it as UTF-8 (in Notepad: Save as, Encoding UTF-8).",
        ) from fault
