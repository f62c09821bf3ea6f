"""Runs a kernel script under a lock that tells the living from the dead: `launcher.py LOCK SCRIPT`."""

from __future__ import annotations

import runpy
import sys

from filelock import FileLock

if __name__ == "__main__":
    lock_path, script = sys.argv[1:]
    lock = FileLock(lock_path)
    lock.acquire()
    sys.argv = [script]
    runpy.run_path(script, run_name="__main__")
