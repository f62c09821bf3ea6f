"""A lock on a folder: one process at a time. The system releases it when the process ends, however it ends."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from orchestrator.kernel.outcome import SessionRefused

LOCK_NAME = ".lock"


class FolderLock:
    """Holds a folder for this process.

    Args:
        folder: An existing folder.

    Raises:
        SessionRefused: Another process holds it.
        OSError: The folder cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self._descriptor = os.open(folder / LOCK_NAME, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            _lock(self._descriptor)
        except OSError as fault:
            os.close(self._descriptor)
            raise SessionRefused(
                f"another process trains in {folder}",
                remedy="Wait until it ends, or set ORCHESTRATOR_FOLDER to another folder.",
            ) from fault

        self._held = True
        if hasattr(os, "register_at_fork"):
            # A worker made by fork would hold the folder after a kill of this process, as long as the worker lives.
            os.register_at_fork(after_in_child=self.release)

    def release(self) -> None:
        """Release the folder. The file stays: to delete it would let two processes lock two different files."""
        if self._held:
            self._held = False
            os.close(self._descriptor)


def _lock(descriptor: int) -> None:
    if sys.platform == "win32":
        import msvcrt

        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
