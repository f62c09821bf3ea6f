"""A small client of headless Chromium: the DevTools protocol over a pipe, so that no test needs a socket."""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.browser.tab import BrowserError, Tab

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe", "--hide-scrollbars", "--no-first-run"),
    *("--disable-dev-shm-usage", "--disable-extensions", "--disable-background-networking", "--disable-sync"),
    *("--disable-component-update", "--font-render-hinting=none", "--force-color-profile=srgb"),
    *("--disable-renderer-backgrounding", "--disable-backgrounding-occluded-windows"),
)
# The browser finds its ends of the pipes at the descriptors 3 and 4. Moved in a process of its own, because a function
# that runs between fork and exec is unsafe with threads.
_AT_3_AND_4 = """
import fcntl, os, sys
ends = [fcntl.fcntl(int(end), fcntl.F_DUPFD, 10) for end in sys.argv[1:3]]
for place, end in zip((3, 4), ends):
    os.dup2(end, place)
os.execv(sys.argv[3], sys.argv[3:])
"""


def paths() -> list[str]:
    """The browsers of this machine, the preferred one first."""
    if os.name == "nt":  # no descriptors 3 and 4
        return []
    return [found for name in NAMES if (found := shutil.which(name))]


class Browser:
    """A running browser; each page is a tab of its own.

    Args:
        folder: For its profile and its messages.
        executable: One of `paths()`.
    """

    def __init__(self, folder: Path, executable: str) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        read_here, write_there = os.pipe()
        read_there, write_here = os.pipe()
        command = [executable, *FLAGS, f"--user-data-dir={folder / 'profile'}", "about:blank"]
        with (folder / "messages.txt").open("wb") as messages:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _AT_3_AND_4, str(read_there), str(write_there), *command],
                pass_fds=(read_there, write_there),
                stdin=subprocess.DEVNULL,
                stdout=messages,
                stderr=messages,
                env={**os.environ, "HOME": str(folder), "TZ": "Europe/Paris"},
            )
        os.close(read_there)
        os.close(write_there)
        self._read, self._write, self._rest = read_here, write_here, b""
        self._number = 0
        self._events: list[dict[str, Any]] = []

    def close(self) -> None:
        """End the browser."""
        with contextlib.suppress(BrowserError, OSError):
            self.call("Browser.close", within_s=5)
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._read)
        os.close(self._write)

    def call(self, method: str, *, session: str | None = None, within_s: float = 30, **params: Any) -> dict[str, Any]:
        """Send a command and wait for its answer.

        Raises:
            BrowserError: It was refused, or no answer came within `within_s` seconds.
        """
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        os.write(self._write, json.dumps(message | ({"sessionId": session} if session else {})).encode() + b"\0")
        until = time.monotonic() + within_s
        while True:
            answer = self._next(until, method)
            if answer.get("id") != self._number:
                self._events.append(answer)
            elif "error" in answer:
                raise BrowserError(f"{method}: {answer['error']['message']}")
            else:
                return dict(answer["result"])

    def events(self, session: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """Events of a tab so far, oldest first: their method and their parameters."""
        for event in self._events:
            if event.get("sessionId") == session:
                yield event["method"], event["params"]

    def open(self, address: str, *, width: int = 1200, height: int = 900, first: str = "", **emulation: str) -> Tab:
        """Open an address in a tab of its own, and wait until its page has loaded.

        Args:
            first: JavaScript that runs before the scripts of the page.
            emulation: Media features by name with `_` for `-`, such as `prefers_color_scheme="dark"`.
        """
        target = self.call("Target.createTarget", url="about:blank", newWindow=True)["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        tab = Tab(self, target, session)
        for domain in ("Page", "Runtime", "Log", "Network"):
            tab.call(f"{domain}.enable")
        tab.resize(width, height)
        tab.emulate(**emulation)
        if first:
            tab.call("Page.addScriptToEvaluateOnNewDocument", source=first)
        tab.go(address)
        return tab

    def _next(self, until: float, what: str) -> dict[str, Any]:
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._read], [], [], max(0.0, until - time.monotonic()))
            chunk = os.read(self._read, 1 << 20) if ready else None
            if not chunk:
                reason = "ended" if chunk == b"" else "gave no answer in time"
                messages = (self.folder / "messages.txt").read_text(errors="replace")[-2000:]
                raise BrowserError(f"the browser {reason} ({what}):\n{messages}")
            self._rest += chunk
        message, _, self._rest = self._rest.partition(b"\0")
        return dict(json.loads(message))
