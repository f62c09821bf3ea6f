"""Reserves a little disk space, so that the manifest can still be written when the disk is full."""

from __future__ import annotations

import os
from pathlib import Path

from orchestrator.kernel.files.atomic import make_folder

RESERVE_NAME = ".reserve"
RESERVE_BYTES = 256 << 10
"""More than any manifest needs."""


class Reserve:
    """A file of zeros that occupies disk space until it is released.

    Args:
        path: Path of the file, on the disk where the space is needed.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def hold(self) -> None:
        """Occupy the space.

        Raises:
            OSError: There is not enough; the file is removed.
        """
        make_folder(self._path.parent)
        try:
            with self._path.open("wb") as stream:
                stream.write(bytes(RESERVE_BYTES))
                stream.flush()
                os.fsync(stream.fileno())
        except OSError:
            self.release()
            raise

    def release(self) -> None:
        """Free the space; may be called again."""
        self._path.unlink(missing_ok=True)
