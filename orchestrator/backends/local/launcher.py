"""Runs a kernel script under a lock that is held while the process lives: `launcher.py LOCK BEGUN SCRIPT`."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

from filelock import FileLock

if __name__ == "__main__":
    lock_path, begun_path, script = sys.argv[1:]
    lock = FileLock(lock_path)
    lock.acquire()
    Path(begun_path).touch()  # under the lock: this file without a held lock means that the process is dead
    sys.argv = [script]
    runpy.run_path(script, run_name="__main__")
