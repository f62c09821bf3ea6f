"""A small client of headless Chromium: the DevTools protocol over a pipe, so that no test needs a socket."""

from __future__ import annotations

import base64
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


class BrowserError(AssertionError):
    """The browser did not start, ended, or refused a command."""


def path() -> str | None:
    """The browser of this machine, None without one."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


class Browser:
    """A running browser; each page is a tab of its own.

    Args:
        folder: For its profile and its messages.
        executable: As of `path`.
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


class Tab:
    """One open page."""

    def __init__(self, browser: Browser, target: str, session: str) -> None:
        self._browser, self._target, self._session = browser, target, session

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Send a command to this tab."""
        return self._browser.call(method, session=self._session, **params)

    def close(self) -> None:
        """Close the tab."""
        self._browser.call("Target.closeTarget", targetId=self._target)

    def go(self, address: str) -> None:
        """Load an address, and wait until its page has loaded."""
        self.call("Page.navigate", url=address)
        self.wait(f"location.href === {json.dumps(address)} && document.readyState === 'complete'")

    def evaluate(self, expression: str) -> Any:
        """Value of a JavaScript expression; a promise is awaited.

        Raises:
            BrowserError: It throws.
        """
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            details = answer["exceptionDetails"]
            raise BrowserError(details.get("exception", {}).get("description", details["text"]))
        return answer["result"].get("value")

    def wait(self, condition: str, *, within_s: float = 20) -> None:
        """Wait until a JavaScript expression is true.

        Raises:
            BrowserError: It is not within `within_s` seconds.
        """
        until = time.monotonic() + within_s
        while not self.evaluate(f"Boolean({condition})"):
            if time.monotonic() > until:
                raise BrowserError(f"not true within {within_s} s: {condition}; errors: {self.errors()}")
            time.sleep(0.02)

    def ready(self) -> None:
        """Wait until the page has drawn itself."""
        self.wait("document.documentElement.dataset.ready")

    def text(self, selector: str) -> str:
        """Visible text of the first element that matches; empty without one."""
        return str(self.evaluate(f"document.querySelector({json.dumps(selector)})?.innerText ?? ''"))

    def data(self, part: str) -> dict[str, str]:
        """The data attributes of a part of the page."""
        return dict(self.evaluate(f"({{...document.querySelector('[data-part={part}]').dataset}})"))

    def click(self, selector: str) -> None:
        """Click the first element that matches."""
        self.evaluate(f"document.querySelector({json.dumps(selector)}).click()")

    def fill(self, selector: str, value: str) -> None:
        """Put a value into a field or a select, with the events that a user's input causes."""
        self.evaluate(
            f"(() => {{ const field = document.querySelector({json.dumps(selector)});"
            f" field.value = {json.dumps(value)};"
            " for (const kind of ['input', 'change']) field.dispatchEvent(new Event(kind, {bubbles: true})); })()"
        )

    def press(self, key: str) -> None:
        """Press a key."""
        text = {"text": key} if len(key) == 1 else {}
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, **(text if kind == "keyDown" else {}))

    def move(self, x: float, y: float) -> None:
        """Move the mouse to a place in the window."""
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def drag(self, begin: tuple[float, float], end: tuple[float, float]) -> None:
        """Drag with the left button from one place in the window to another."""
        for kind, (x, y) in (("mousePressed", begin), ("mouseMoved", end), ("mouseReleased", end)):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", buttons=1, clickCount=1)

    def resize(self, width: int, height: int, *, scale: float = 1) -> None:
        """Set the size of the window in CSS pixels, and the device pixels of each."""
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=False
        )

    def emulate(self, media: str = "", **features: str) -> None:
        """Emulate `print`, or media features such as `prefers_color_scheme="dark"`."""
        named = [{"name": name.replace("_", "-"), "value": value} for name, value in features.items()]
        self.call("Emulation.setEmulatedMedia", media=media, features=named)

    def errors(self) -> list[str]:
        """Errors and warnings of the console, and exceptions."""
        found = []
        for method, params in self._browser.events(self._session):
            if method == "Runtime.exceptionThrown":
                details = params["exceptionDetails"]
                found.append(details.get("exception", {}).get("description", details["text"]))
            elif method == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
                found.append(params["entry"]["text"])
            elif method == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning", "assert"):
                found.append(" ".join(str(one.get("value", one.get("description"))) for one in params["args"]))
        return found

    def requests(self) -> list[str]:
        """Addresses that the tab asked for, without those that are in the page itself."""
        urls = (
            params["request"]["url"]
            for method, params in self._browser.events(self._session)
            if method == "Network.requestWillBeSent"
        )
        return [url for url in urls if not url.startswith(("data:", "blob:", "about:", "file:"))]

    def screenshot(self, to: Path, *, whole: bool = False, height: int | None = None) -> None:
        """Write a PNG of the window, or of the whole page, or of its first `height` pixels."""
        clip: dict[str, Any] = {}
        if whole or height:
            size = self.call("Page.getLayoutMetrics")["cssContentSize"]
            tall = min(size["height"], height or size["height"])
            clip = {"clip": {"x": 0, "y": 0, "width": size["width"], "height": tall, "scale": 1}}
        shot = self.call("Page.captureScreenshot", captureBeyondViewport=bool(clip), **clip)
        to.write_bytes(base64.b64decode(shot["data"]))

    def pdf(self) -> bytes:
        """The page as it prints on A4."""
        printed = self.call("Page.printToPDF", printBackground=True, paperWidth=8.27, paperHeight=11.69)
        return base64.b64decode(printed["data"])
