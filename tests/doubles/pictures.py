"""Small pictures as bytes."""

from __future__ import annotations

import struct
import zlib


def png(content: bytes = b"", *extra: tuple[bytes, bytes]) -> bytes:
    """A PNG picture.

    Args:
        content: Of its image data, which is not decoded.
        extra: Further chunks: type and content.
    """
    header = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), *extra, (b"IDAT", content), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(inner)) + kind + inner + struct.pack(">I", zlib.crc32(kind + inner))
        for kind, inner in chunks
    )


def gif(*extensions: bytes) -> bytes:
    """A GIF picture of one black pixel.

    Args:
        extensions: Blocks before the image, each with its end.
    """
    screen = b"\x01\0\x01\0\x80\0\0" + b"\0\0\0\xff\xff\xff"
    image = b"\x2c" + b"\0\0\0\0\x01\0\x01\0\0" + b"\x02\x02\x44\x01\0"
    return b"GIF89a" + screen + b"".join(extensions) + image + b"\x3b"
