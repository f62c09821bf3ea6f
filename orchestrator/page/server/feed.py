"""The newest edition of the page, read once for all clients and only while a client asks or listens."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from orchestrator.core.page.page import Page
from orchestrator.page.server.apart import Apart
from orchestrator.page.server.edition import Edition, edition_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Intervals in seconds.

    Attributes:
        read_every_s: Between two readings, if they are quick.
        rest_share: Seconds of rest for each second of a reading: however large the project is, readings take at most a
            fifth of a core.
    """

    read_every_s: float = 2.0
    rest_share: float = 4.0

    def rest_after(self, took_s: float) -> float:
        """Seconds to wait after a reading."""
        return max(self.read_every_s, self.rest_share * took_s)


class Feed:
    """Reads the page and wakes those who listen when it has changed.

    Use it in one event loop; the loop's clock is the only clock.

    Args:
        read: Reads the page; it may raise.
        apart: Carries out a reading, for example in a thread.
        report: Receives an exception of a reading that no client waits for.
    """

    def __init__(
        self,
        read: Callable[[], Page],
        *,
        apart: Apart,
        report: Callable[[Exception], None],
        timing: Timing | None = None,
    ) -> None:
        self._read = read
        self._apart = apart
        self._report = report
        self._timing = timing or Timing()
        self._edition: Edition | None = None
        self._due_at = float("-inf")
        self._reading: asyncio.Task[Edition] | None = None
        self._poller: asyncio.Task[None] | None = None
        self._news = asyncio.Event()
        self.listeners = 0
        self.closed = False

    def begin(self, page: Page, took_s: float) -> None:
        """Begin with a page that was read just now.

        Args:
            took_s: Seconds that the reading took.
        """
        self._edition = edition_of(page)
        self._due_at = asyncio.get_running_loop().time() + self._timing.rest_after(took_s)

    async def fresh(self) -> Edition:
        """The newest edition; reads it unless the last reading was a moment ago. Clients share a reading."""
        if self._edition is not None and asyncio.get_running_loop().time() < self._due_at:
            return self._edition
        if self._reading is None:
            self._reading = asyncio.create_task(self._gather())
            self._reading.add_done_callback(_ignore)
        return await asyncio.shield(self._reading)  # one client that leaves does not stop it for the others

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Keep the edition up to date within the block."""
        self.listeners += 1
        if self._poller is None:
            self._poller = asyncio.create_task(self._poll())
        try:
            yield
        finally:
            self.listeners -= 1
            if not self.listeners:
                self._poller.cancel()
                self._poller = None

    async def next(self, known: str, wait_s: float) -> Edition | None:
        """The edition as soon as its digest is not `known`; None after `wait_s` seconds, or once the feed is closed."""
        with suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                while not self.closed and (self._edition is None or self._edition.digest == known):
                    await self._news.wait()
        found = self._edition
        return None if self.closed or found is None or found.digest == known else found

    def close(self) -> None:
        """Wake all listeners for the last time."""
        self.closed = True
        self._news.set()

    async def _gather(self) -> Edition:
        clock = asyncio.get_running_loop().time
        began_at = clock()
        try:
            found = await self._apart(lambda: edition_of(self._read()))
        finally:
            self._reading = None
            self._due_at = clock() + self._timing.rest_after(clock() - began_at)
        changed = self._edition is None or found.digest != self._edition.digest
        self._edition = found  # also without a change: its time is newer
        if changed:
            self._news.set()
            self._news = asyncio.Event()
        return found

    async def _poll(self) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            try:
                await self.fresh()
            except Exception as fault:  # the next reading may succeed
                self._report(fault)
            await asyncio.sleep(max(0.0, self._due_at - clock()))


def _ignore(reading: asyncio.Task[Edition]) -> None:
    """Take the exception of a reading whose clients have all left; asyncio would print it."""
    if not reading.cancelled():
        reading.exception()
