"""Processes that this one starts end with it, also after a kill -9.

Processes of `multiprocessing` with the start method `fork` hold each other's pipes open, so the death of the parent
gives them no end of file: they would hold pipes, memory and ports without end. With `spawn` and `forkserver` they
read an end of file, and leave by themselves.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing import process, util
from typing import Any

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
"""Source: <linux/prctl.h>, prctl(2)."""
_LOOK_EVERY_S = 1.0
_SIGKILL = getattr(signal, "SIGKILL", signal.SIGTERM)

_GUARD = """
import os
number = b""
while (read := os.read(0, 1)) != b"\\n":
    if read in (b"", b"x"):
        os._exit(0)
    number += read
if not os.read(0, 1):
    os.killpg(int(number), 9) if hasattr(os, "killpg") else os.kill(int(number), 15)
"""
"""Reads the number of a program, then waits for a byte; an end of file instead of it is the death of the writer."""


class _Watched:
    """State of this module; the child of a fork inherits it.

    Attributes:
        process: Process that ends with its parent, or in which children are watched.
        fork: Thread-local: whether the fork that is under way was made by the main thread.
    """

    def __init__(self) -> None:
        self.process = 0
        self.fork = threading.local()

    def before_fork(self) -> None:
        self.fork.by_main = threading.current_thread() is threading.main_thread()

    def in_child(self) -> None:
        parent = process.parent_process()
        _end_with_parent(None if parent is None else parent.pid, by_main=getattr(self.fork, "by_main", False))


_WATCHED = _Watched()


def children_end_with_this_process() -> None:
    """From now on, forked processes of `multiprocessing` end with this one. Processes that fork alone are left alone.

    A process that daemonizes itself by `os.fork` is meant to outlive its parent.
    """
    if _WATCHED.process or not hasattr(os, "register_at_fork"):
        return
    _WATCHED.process = os.getpid()
    _prctl(0)  # loads the library: not in a child, whose other threads are gone
    os.register_at_fork(before=_WATCHED.before_fork)
    util.register_after_fork(_WATCHED, _Watched.in_child)


def end_with_parent() -> None:
    """In a child that was forked before `children_end_with_this_process` was called: end with the parent."""
    if hasattr(os, "fork") and type(process.current_process()).__name__ not in ("SpawnProcess", "ForkServerProcess"):
        _end_with_parent(None, by_main=False)


def _end_with_parent(parent: int | None, *, by_main: bool) -> None:
    if _WATCHED.process == os.getpid():
        return
    _WATCHED.process = os.getpid()
    expected = os.getppid() if parent is None else parent
    # Linux sends the signal when the thread ends that has forked, so only the main thread's children can use it.
    if not (by_main and _prctl(_PR_SET_PDEATHSIG, _SIGKILL)):
        threading.Thread(target=_watch, args=(expected,), name="parent-watch", daemon=True).start()
    elif os.getppid() != expected:  # it died before the signal was asked for
        os.kill(os.getpid(), _SIGKILL)


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_LOOK_EVERY_S)
    os.kill(os.getpid(), _SIGKILL)


def adopt_orphans() -> bool:
    """Become the parent of every orphan among this process's descendants; says whether the system can do that."""
    return _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def _prctl(option: int, value: int = 0) -> bool:
    if sys.platform != "linux":
        return False
    try:
        import ctypes

        return ctypes.CDLL(None).prctl(option, value, 0, 0, 0) == 0 and option != 0
    except (ImportError, OSError, AttributeError):
        return False  # a Python without ctypes, a C library without prctl


class Guard:
    """Ends a program, with all of its process group, when this process ends, also by a kill -9."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _GUARD],
            stdin=subprocess.PIPE,  # closed by the system when this process ends, however it ends
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # neither Ctrl-C nor the end of this process's group reaches it
        )
        assert self._process.stdin is not None  # a pipe was asked for
        self._line = self._process.stdin.fileno()

    @property
    def of_program(self) -> dict[str, Any]:
        """Arguments of `subprocess.Popen` for the program: it leads a group of its own, and the guard knows it.

        The program names itself before it begins: a kill between its start and a message from here would free it.
        """
        return {"start_new_session": True, **({"preexec_fn": self._name} if hasattr(os, "fork") else {})}

    def _name(self) -> None:
        os.write(self._line, b"%d\n" % os.getpid())

    def started(self, program: int) -> None:
        """The program runs; on Windows the guard learns its number only here."""
        if not hasattr(os, "fork"):
            os.write(self._line, b"%d\n" % program)

    def close(self) -> None:
        """Let the program be: it has ended, or never began."""
        if self._process.stdin is not None:
            with suppress(BrokenPipeError), self._process.stdin as line:
                line.write(b"x")
        self._process.wait()


@contextmanager
def program_guard() -> Iterator[Guard]:
    """A guard for one program that is started in the block."""
    guard = Guard()
    try:
        yield guard
    finally:
        guard.close()
