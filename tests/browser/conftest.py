"""One browser for all tests of a worker. Without Chromium they are skipped, unless CI installed it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from orchestrator.core.page.page import Page
from orchestrator.page.document import html
from tests.browser import chromium, pages
from tests.browser.chromium import Browser
from tests.browser.tab import BrowserError


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A running Chromium."""
    folder = tmp_path_factory.mktemp("browser")
    failures = ["Chromium is not installed: apt-get install chromium"]
    for number, executable in enumerate(chromium.paths()):
        running = Browser(folder / str(number), executable)
        try:
            _check(running, folder)
        except (BrowserError, OSError) as failure:  # for example one that sees no temporary folder but its own
            failures.append(f"{executable} cannot be used: {failure}")
            running.close()
            continue
        yield running
        running.close()
        return
    if os.environ.get("BROWSER_TESTS") == "required":
        pytest.fail(f"These tests must run here. {failures[-1]}")
    pytest.skip(failures[-1])


def _check(running: Browser, folder: Path) -> None:
    """Raise if the browser does not show a file of the tests."""
    file = folder / "check.html"
    file.write_text("<title>check</title>", encoding="utf-8")
    tab = running.open(file.as_uri())
    if tab.evaluate("document.title") != "check":
        raise BrowserError("it does not show files")
    tab.close()


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """Function that writes a page to a file and returns its address."""
    folder = tmp_path_factory.mktemp("pages")

    def write(page: Page, name: str, change: Callable[[str], str] = str) -> str:
        file: Path = folder / f"{name}.html"
        file.write_text(change(html(page, pages.TEMPLATES)), encoding="utf-8")
        return file.as_uri()

    return write
