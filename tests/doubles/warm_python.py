"""Runs `python WORDS` without the time of its imports, on Linux; elsewhere as a new interpreter."""

from __future__ import annotations

import atexit
import functools
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

_SERVER = Path(__file__).with_name("warm_server.py")


def _without_cv2(env: Mapping[str, str]) -> dict[str, str]:
    """The variables without the folder that OpenCV adds when it is imported; a child that imports it does the same."""
    return {name: value for name, value in env.items() if name != "LD_LIBRARY_PATH" or "cv2" not in value}


_ENVIRON = {name: value for name, value in _without_cv2(os.environ).items() if not name.startswith("PYTHON")}
"""Variables before any test changes one."""


def run_python(
    words: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    timeout_s: float,
    imported: tuple[str, ...],
) -> subprocess.CompletedProcess[bytes]:
    """`subprocess.run([sys.executable, *words], capture_output=True)`.

    Args:
        imported: Modules that the program imports in any case; empty for a new interpreter.

    Raises:
        subprocess.TimeoutExpired: It was killed.
    """
    if sys.platform != "linux" or not imported:
        command = [sys.executable, *words]
        return subprocess.run(command, cwd=cwd, env=env, capture_output=True, timeout=timeout_s, check=False)
    env = _without_cv2(env)
    started_with = tuple(sorted((name, value) for name, value in env.items() if name.startswith("PYTHON")))
    # Two servers take turns, so that two runs of one test differ in the order of sets, as new interpreters do.
    turn = next(_turns(imported, started_with)) % 2
    return _server(imported, started_with, turn).run(words, cwd, env, timeout_s)


class _WarmServer:
    def __init__(self, imported: Sequence[str], environ: Mapping[str, str]) -> None:
        self._control, theirs = socket.socketpair()
        self._lock = threading.Lock()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, str(_SERVER), *imported],
                stdin=theirs,
                stdout=subprocess.DEVNULL,
                env=environ,
                cwd="/",
            )
        atexit.register(self._close)

    def run(
        self, words: Sequence[str], cwd: Path, env: Mapping[str, str], timeout_s: float
    ) -> subprocess.CompletedProcess[bytes]:
        with ExitStack() as stack:
            reply, theirs = socket.socketpair()
            stack.enter_context(reply)
            outputs = [os.pipe(), os.pipe()]
            self._ask(words, cwd, env, [theirs.fileno(), 0, *(writer for _, writer in outputs)])
            theirs.close()
            for _, writer in outputs:
                os.close(writer)
            files = [stack.enter_context(os.fdopen(reader, "rb")) for reader, _ in outputs]
            contents: list[bytes] = [b"", b""]

            def read(number: int) -> None:
                contents[number] = files[number].read()

            readers = [threading.Thread(target=read, args=(number,), daemon=True) for number in range(2)]
            reply.settimeout(timeout_s)
            pid = int.from_bytes(reply.recv(8), "big")
            assert pid, f"the server of warm processes has ended: {words} did not start"
            for reader in readers:
                reader.start()
            try:
                status = int.from_bytes(reply.recv(8), "big")
            except TimeoutError:
                os.kill(pid, signal.SIGKILL)
                raise subprocess.TimeoutExpired(list(words), timeout_s) from None
            for reader in readers:
                reader.join(timeout_s)
            assert not any(reader.is_alive() for reader in readers), f"a process of {words} still holds its output"
            return subprocess.CompletedProcess(list(words), os.waitstatus_to_exitcode(status), *contents)

    def _ask(self, words: Sequence[str], cwd: Path, env: Mapping[str, str], descriptors: list[int]) -> None:
        body = json.dumps({"words": list(words), "cwd": str(Path(cwd).absolute()), "environ": dict(env)}).encode()
        with self._lock:
            socket.send_fds(self._control, [len(body).to_bytes(4, "big")], descriptors)
            self._control.sendall(body)

    def _close(self) -> None:
        self._control.shutdown(socket.SHUT_RDWR)  # a process that a test forked may hold a copy of this socket
        self._control.close()
        self._process.wait(timeout=60)


@functools.cache
def _turns(imported: tuple[str, ...], started_with: tuple[tuple[str, str], ...]) -> itertools.count[int]:
    return itertools.count()


@functools.cache
def _server(imported: tuple[str, ...], started_with: tuple[tuple[str, str], ...], turn: int) -> _WarmServer:
    return _WarmServer(imported, _ENVIRON | dict(started_with))
