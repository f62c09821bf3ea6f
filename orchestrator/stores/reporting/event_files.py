"""TensorBoard event files, written without TensorBoard.

Format: records of TFRecord (length, masked CRC-32C of the length, data, masked CRC-32C of the data), each an `Event`
message of tensorflow/core/util/event.proto with one scalar. CRC-32C: RFC 3720, appendix B.4.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

from orchestrator.core.reporting.training import Training
from orchestrator.kernel.files.atomic import write_bytes


def write_events(training: Training, folder: Path) -> Path:
    """Write the learning curve of a training: `score`, every measure, and the number of the session at each point.

    The files have no clock: the wall time of every event is 0, so equal curves give equal files.

    Returns:
        The file.

    Raises:
        OSError: It cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "events.out.tfevents.0.orchestrator"
    content = b"".join(map(_record, _events(training)))
    write_bytes(path, content)
    return path


def _events(training: Training) -> Iterator[bytes]:
    yield _double(1, 0.0) + _text(3, "brain.Event:2")
    sessions: dict[str, int] = {}
    for point in training.curve.points:
        number = sessions.setdefault(point.session, len(sessions) + 1)
        for tag, value in (("score", point.score), *sorted(point.measures.items()), ("session", float(number))):
            scalar = _text(1, tag) + bytes([2 << 3 | 5]) + _float(value)
            yield _double(1, 0.0) + bytes([2 << 3]) + _varint(point.steps) + _bytes(5, _bytes(1, scalar))


def _float(value: float) -> bytes:
    try:
        return struct.pack("<f", value)
    except OverflowError:  # beyond the range of a 32-bit float
        return struct.pack("<f", float("inf") if value > 0 else float("-inf"))


def _double(field: int, value: float) -> bytes:
    return bytes([field << 3 | 1]) + struct.pack("<d", value)


def _text(field: int, text: str) -> bytes:
    return _bytes(field, text.encode("utf-8"))


def _bytes(field: int, content: bytes) -> bytes:
    return bytes([field << 3 | 2]) + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*found, number])


def _record(content: bytes) -> bytes:
    length = struct.pack("<Q", len(content))
    return length + _masked(length) + content + _masked(content)


def _masked(content: bytes) -> bytes:
    crc = 0xFFFFFFFF
    for byte in content:
        crc = _TABLE[(crc ^ byte) & 0xFF] ^ crc >> 8
    crc ^= 0xFFFFFFFF
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def _row(byte: int) -> int:
    for _ in range(8):
        byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
    return byte


_TABLE = tuple(map(_row, range(256)))
