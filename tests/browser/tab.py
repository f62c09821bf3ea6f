"""One open page of the browser: what a user does in it, and what it shows."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

_LOADS_S = 90.0
"""For a page with charts on a machine that does much other work; 2 s on an idle one."""


class BrowserError(AssertionError):
    """The browser did not start, ended, or refused a command."""


class Connection(Protocol):
    """What a tab needs of its browser."""

    def call(
        self, method: str, *, session: str | None = None, within_s: float = 30, **params: Any
    ) -> dict[str, Any]: ...

    def events(self, session: str) -> Iterator[tuple[str, dict[str, Any]]]: ...


class Tab:
    """One open page."""

    def __init__(self, browser: Connection, target: str, session: str) -> None:
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
        self.wait(f"location.href === {json.dumps(address)} && document.readyState === 'complete'", within_s=_LOADS_S)

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
        self.wait("document.documentElement.dataset.ready", within_s=_LOADS_S)

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
