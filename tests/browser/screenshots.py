"""Makes the pictures of docs/REPORT.md: `python -m tests.browser.screenshots`, or `make screenshots`."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from orchestrator.core.page.page import Page
from orchestrator.page.document import html
from tests.browser import chromium, pages
from tests.browser.chromium import Browser

PICTURES = Path(__file__).resolve().parents[2] / "docs" / "pictures"
LARGEST = 300_000
"""Bytes of a picture."""

SHOTS: dict[str, tuple[Page, int, int, str]] = {
    "report_light": (pages.run_page(), 1200, 1262, "light"),
    "report_dark": (pages.campaign_page(), 1360, 2280, "dark"),
    "report_phone": (pages.run_page(live=True), 380, 1750, "light"),
}
"""Page, width and height in CSS pixels, and theme of each picture."""


def main() -> int:
    """Write all pictures; 0 if each is small enough."""
    executables = chromium.paths()
    if not executables:
        print("Chromium is not installed. Install it: apt-get install chromium", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as folder:
        browser = Browser(Path(folder), executables[0])
        try:
            sizes = [_shoot(browser, Path(folder), name) for name in SHOTS]
        finally:
            browser.close()
    return 0 if max(sizes) <= LARGEST else 1


def _shoot(browser: Browser, folder: Path, name: str) -> int:
    page, width, height, scheme = SHOTS[name]
    file = folder / f"{name}.html"
    file.write_text(html(page, pages.TEMPLATES), encoding="utf-8")
    tab = browser.open(file.as_uri(), width=width, height=900, first=_NO_EVENTS, prefers_color_scheme=scheme)
    tab.ready()
    tab.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    picture = PICTURES / f"{name}.png"
    tab.screenshot(picture, height=height)
    tab.close()
    size = picture.stat().st_size
    print(f"{picture.name}: {size:,} bytes{'' if size <= LARGEST else f', more than {LARGEST:,}'}")
    return size


_NO_EVENTS = "window.EventSource = class extends EventTarget {};"  # a picture of a live page needs no server

if __name__ == "__main__":
    sys.exit(main())
