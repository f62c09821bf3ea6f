"""Asks other backends for the progress of their sessions, from time to time and beside the readings of the page."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace

from orchestrator.core.page.page import Page

ASK_EVERY_S = 60.0
"""An open page must not use up the requests that a service allows."""


def _in_thread(work: Callable[[], None]) -> None:
    threading.Thread(target=work, daemon=True).start()


class AskedPage:
    """Reads a page, and asks other backends beside it.

    Args:
        read: Reads the page from what is here and from the last answers.
        ask: Asks, and keeps the answers for `read`; it may take long, and it may raise.
        explain: Turns an exception of `ask` into sentences for the user, without secrets.
        monotonic: Clock in seconds.
        start: Carries out the asking, so that no reading waits for a slow service.
    """

    def __init__(
        self,
        read: Callable[[], Page],
        ask: Callable[[], object],
        explain: Callable[[Exception], str],
        *,
        monotonic: Callable[[], float] = time.monotonic,
        start: Callable[[Callable[[], None]], None] = _in_thread,
    ) -> None:
        self._read = read
        self._ask = ask
        self._explain = explain
        self._monotonic = monotonic
        self._start = start
        self._asked_at = float("-inf")
        self._asks = False
        self._trouble = ""

    def ask_if_due(self) -> None:
        """Begin to ask, at most once in `ASK_EVERY_S`, and only while no answer is awaited."""
        if not self._asks and self._monotonic() - self._asked_at >= ASK_EVERY_S:
            self._asks, self._asked_at = True, self._monotonic()
            self._start(self._ask_once)

    def __call__(self) -> Page:
        """The page with what was answered last."""
        self.ask_if_due()
        page = self._read()
        return replace(page, notes=(*page.notes, self._trouble)) if self._trouble else page

    def _ask_once(self) -> None:
        try:
            self._ask()
            self._trouble = ""
        except Exception as fault:  # the page is shown without an answer
            self._trouble = f"Other backends could not be asked. {self._explain(fault)}"
        finally:
            self._asks = False
