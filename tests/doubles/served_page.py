"""Runs the real `serve` in a process of its own, and reads from it as a browser does."""

from __future__ import annotations

import http.client
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.doubles.commands import environment

_LONGEST_WAIT_S = 60.0


@dataclass(frozen=True, slots=True)
class Served:
    """A running `serve`."""

    process: subprocess.Popen[str]
    port: int

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def get(self, path: str, method: str = "GET", **headers: str) -> tuple[int, str]:
        """Status and text of an answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
            answer = connection.getresponse()
            return answer.status, answer.read().decode("utf-8")
        finally:
            connection.close()

    def page(self) -> dict[str, Any]:
        status, text = self.get("/page.json")
        assert status == 200, text
        return dict(json.loads(text))

    def pages(self) -> Iterator[dict[str, Any]]:
        """The pages of an event stream, until the server closes it; the next page must come within a minute."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request("GET", "/events")
            until = time.monotonic() + _LONGEST_WAIT_S
            for line in connection.getresponse():
                assert time.monotonic() < until, "no other page came"
                if line.startswith(b"data: "):
                    yield json.loads(line.removeprefix(b"data: "))
                    until = time.monotonic() + _LONGEST_WAIT_S
        finally:
            connection.close()

    def end(self, number: int = signal.SIGTERM) -> tuple[int, list[str]]:
        """Exit code after a signal, and what was printed after the address."""
        self.process.send_signal(number)
        _, printed = self.process.communicate(timeout=20)
        return self.process.returncode, printed.splitlines()[1:]


@contextmanager
def served(root: Path, *words: str) -> Iterator[Served]:
    """A `serve` of the project at `root`; it is ended at the latest at the end of the block."""
    process = subprocess.Popen(
        [sys.executable, "-m", "orchestrator", "serve", *words, "--port", "0", "--json"],
        cwd=root,
        env=environment(root),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        if not line:
            raise AssertionError(process.communicate()[1])
        yield Served(process, json.loads(line)["port"])
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()
