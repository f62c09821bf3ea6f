"""What a picture shows, without what it only carries: texts, time and place in its metadata, and data behind its end.

A page is passed on. A library or a script may have written its command line or an environment variable into a picture.
"""

from __future__ import annotations

import base64
import binascii
import re
import struct
from collections.abc import Callable, Mapping

PNG_HEAD = b"\x89PNG\r\n\x1a\n"
_GIF_HEADS = (b"GIF87a", b"GIF89a")
_PNG_PARTS = frozenset(b"IHDR PLTE IDAT IEND tRNS cHRM gAMA sBIT sRGB bKGD pHYs acTL fcTL fdAT".split())
"""Chunks that change what is seen, also of animations. Source: Portable Network Graphics, 3rd edition, chapter 11."""
_GIF_APPLICATIONS = (b"NETSCAPE2.0", b"ANIMEXTS1.0")
"""Extensions that state how often an animation repeats."""
_EXTENSION, _IMAGE, _END = 0x21, 0x2C, 0x3B
_CONTROL, _APPLICATION = 0xF9, 0xFF
_INNER = re.compile(
    rb"(?P<before>[\"'(]\s*)data:(?P<type>[\w.+/-]*)(?P<more>;[^,\"'\s]*)?,(?P<data>[^\"')>]*)", re.IGNORECASE
)
"""A file inside an SVG. Source: RFC 2397."""
_FONTS = (b"font/", b"application/font", b"application/x-font")
_LINE_ENDS = re.compile(rb"\s|&#(?:10|13|x0?[ad]);", re.IGNORECASE)


def without_metadata(suffix: str, content: bytes) -> bytes | None:
    """A picture without metadata; None if it is no complete picture of this kind.

    Args:
        suffix: `.png`, `.gif` or `.svg`.
    """
    try:
        return _CLEAN[suffix](content)
    except (IndexError, struct.error):
        return None  # it ends before its end


def _png(content: bytes) -> bytes | None:
    if not content.startswith(PNG_HEAD):
        return None
    kept, at, kind = [PNG_HEAD], len(PNG_HEAD), b""
    while kind != b"IEND":
        size, kind = struct.unpack_from(">I4s", content, at)
        end = at + 12 + size
        if end > len(content):
            return None
        kept += [content[at:end]] if kind in _PNG_PARTS else []
        at = end
    return b"".join(kept)


def _gif(content: bytes) -> bytes | None:
    if not content.startswith(_GIF_HEADS):
        return None
    at = 13 + _table_bytes(content[10])
    kept = [content[:at]]
    while content[at] != _END:
        end, shown = _gif_block(content, at)
        kept += [content[at:end]] if shown else []
        at = end
    return b"".join((*kept, bytes((_END,))))


def _gif_block(content: bytes, at: int) -> tuple[int, bool]:
    """End of a block, and whether it changes what is seen. Source: GIF89a Specification, chapters 20 to 26.

    Raises:
        IndexError: It is no block, or it ends too early.
    """
    if content[at] == _IMAGE:
        return _blocks_end(content, at + 10 + _table_bytes(content[at + 9]) + 1), True
    if content[at] != _EXTENSION:
        raise IndexError(at)
    label = content[at + 1]
    repeats = label == _APPLICATION and content[at + 3 : at + 14] in _GIF_APPLICATIONS
    return _blocks_end(content, at + 2), label == _CONTROL or repeats


def _blocks_end(content: bytes, at: int) -> int:
    while size := content[at]:
        at += 1 + size
    return at + 1


def _table_bytes(flags: int) -> int:
    """Bytes of a table of colours."""
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _svg(content: bytes) -> bytes | None:
    return _INNER.sub(_clean_inner, content) if b"<svg" in content[:4096] else None


def _clean_inner(found: re.Match[bytes]) -> bytes:
    """A file inside an SVG without metadata; an empty one in place of one that is neither font nor PNG or GIF."""
    kind = found["type"].lower()
    if kind.startswith(_FONTS):
        return found[0]
    suffix = {b"image/png": ".png", b"image/gif": ".gif"}.get(kind)
    try:
        inner = without_metadata(suffix, base64.b64decode(_LINE_ENDS.sub(b"", found["data"]))) if suffix else None
    except binascii.Error:
        inner = None
    data = b"," if inner is None else b"%s;base64,%s" % (kind, base64.b64encode(inner))
    return found["before"] + b"data:" + data


_CLEAN: Mapping[str, Callable[[bytes], bytes | None]] = {".png": _png, ".gif": _gif, ".svg": _svg}
