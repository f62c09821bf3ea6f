"""Runs the server until Ctrl-C or SIGTERM."""

from __future__ import annotations

import asyncio
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

import uvicorn

from orchestrator.core.page.page import Page
from orchestrator.page.server.apart import in_thread
from orchestrator.page.server.application import Document, application_of
from orchestrator.page.server.connections import Connection
from orchestrator.page.server.feed import Feed

_SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGBREAK") if hasattr(signal, name)]
_STREAMS_END_WITHIN_S = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class First:
    """The page as it was read before the server began.

    Attributes:
        took_s: Seconds that the reading took.
    """

    page: Page
    took_s: float


def serve(
    listening: socket.socket,
    read: Callable[[], Page],
    document: Document,
    report: Callable[[Exception], None],
    first: First,
) -> None:
    """Serve the page until a signal ends it; open streams end at once.

    Args:
        listening: On 127.0.0.1; it is closed at the end.
        read: Reads the page, in a thread.
        document: Renders it, in a thread.
        report: Receives exceptions of both; the server goes on.
        first: Sent until the next reading is due.
    """
    server_of(read, document, listening.getsockname()[1], report, first).run(sockets=[listening])


def server_of(
    read: Callable[[], Page],
    document: Document,
    port: int,
    report: Callable[[Exception], None],
    first: First | None = None,
) -> Server:
    """The server of `serve`, before it runs."""
    feed = Feed(read, apart=in_thread, report=report)
    config = uvicorn.Config(
        application_of(feed, document, port, apart=in_thread, report=report),
        http=Connection,
        loop="asyncio",
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="critical",  # exceptions go to `report`
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=_STREAMS_END_WITHIN_S,
    )
    return Server(config, feed, first)


class Server(uvicorn.Server):
    """A server that ends its streams first, and after a signal returns; uvicorn would raise the signal once more."""

    def __init__(self, config: uvicorn.Config, feed: Feed, first: First | None = None) -> None:
        super().__init__(config)
        self._feed = feed
        self._first = first

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin with the first page."""
        if self._first is not None:
            self._feed.begin(self._first.page, self._first.took_s)
            self._first = None  # it may be large
        await super().startup(sockets)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the streams, then everything else."""
        self._feed.close()
        await super().shutdown(sockets)
        for connection in list(self.server_state.connections):  # of clients that read too slowly
            connection.transport.abort()
        await asyncio.sleep(0)  # the loop closes them before it ends

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop at a signal within the block, unless it is ignored: a shell does that for commands in the background."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        heeded = [number for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
        before = {number: signal.signal(number, self._stop) for number in heeded}
        try:
            yield
        finally:
            for number, action in before.items():
                signal.signal(number, action)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self.should_exit = True
