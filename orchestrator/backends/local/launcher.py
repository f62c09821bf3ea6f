"""Runs a kernel script under a lock that tells the living from the dead: `launcher.py LOCK BEGUN SCRIPT`."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

from filelock import FileLock

if __name__ == "__main__":
    lock_path, begun_path, script = sys.argv[1:]
    lock = FileLock(lock_path)
    lock.acquire()
    Path(begun_path).touch()  # under the lock: who sees this file and no lock sees the dead
    sys.argv = [script]
    runpy.run_path(script, run_name="__main__")
