"""Packs files into a zip whose bytes depend only on their names and content."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable

_ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)


def pack(members: Iterable[tuple[str, bytes]]) -> bytes:
    """Zip files: sorted by name, without times, owners or marks of the packing system.

    Args:
        members: POSIX path and content of each file, in any order.

    Raises:
        ValueError: Two files have the same path; one would be lost on unpacking.
    """
    ordered = sorted(members)
    names = [name for name, _ in ordered]
    if len(set(names)) != len(names):
        raise ValueError(f"two files have the same path among {names}")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, content in ordered:
            entry = zipfile.ZipInfo(name, _ZIP_EPOCH)
            entry.external_attr = 0o644 << 16
            entry.create_system = 3
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, content)
    return buffer.getvalue()
