"""A little room that is held back on a disk, so that the last words of a session fit when the disk is full."""

from __future__ import annotations

import os
from pathlib import Path

RESERVE_NAME = ".reserve"
RESERVE_BYTES = 256 << 10
"""Larger than any manifest; small enough to be no burden."""


class Reserve:
    """A file that is there only to be removed.

    Args:
        path: Its place, on the disk whose room is held back.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def hold(self) -> None:
        """Take the room.

        Raises:
            OSError: There is none; nothing is left of the file.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with self._path.open("wb") as stream:
                stream.write(bytes(RESERVE_BYTES))
                stream.flush()
                os.fsync(stream.fileno())
        except OSError:
            self.release()
            raise

    def release(self) -> None:
        """Give the room back; repeatable."""
        self._path.unlink(missing_ok=True)
