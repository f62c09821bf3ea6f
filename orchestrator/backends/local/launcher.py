"""Runs a kernel script under a lock that is held while the process lives: `launcher.py LOCK BEGUN LAUNCH NONCE SCRIPT`.

It runs nothing if the launch was withdrawn, or belongs to another session by now: its supervisor was killed, and the
session may have been started again.
"""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

from filelock import FileLock

if __name__ == "__main__":
    lock_path, begun_path, launch_path, nonce, script = sys.argv[1:]
    lock = FileLock(lock_path)
    lock.acquire()
    launch = Path(launch_path)
    if not launch.is_file() or f'"{nonce}"' not in launch.read_text(encoding="utf-8"):
        raise SystemExit(f"the launch of session {nonce} was withdrawn")
    Path(begun_path).touch()  # under the lock: this file without a held lock means that the process is dead
    sys.argv = [script]
    runpy.run_path(script, run_name="__main__")
