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


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A running Chromium."""
    executable = chromium.path()
    if executable is None:
        if os.environ.get("BROWSER_TESTS") == "required":
            pytest.fail("Chromium was installed for these tests, and is not found")
        pytest.skip("Chromium is not installed: apt-get install chromium")
    running = Browser(tmp_path_factory.mktemp("browser"), executable)
    yield running
    running.close()


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """Function that writes a page to a file and returns its address."""
    folder = tmp_path_factory.mktemp("pages")

    def write(page: Page, name: str, change: Callable[[str], str] = str) -> str:
        file: Path = folder / f"{name}.html"
        file.write_text(change(html(page, pages.TEMPLATES)), encoding="utf-8")
        return file.as_uri()

    return write
