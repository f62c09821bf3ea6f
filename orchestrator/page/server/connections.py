"""Limits the connections to the server: an idle or stalled one ends, and many of them lock no reader out."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

MOST_CONNECTIONS = 128
"""Far below the open files that systems allow a process (256 on macOS): the server also opens the project's files."""
LOOK_EVERY_S = 60.0
"""A connection that is not being answered at two looks in a row ends."""


class Connection(H11Protocol):
    """A connection that does not stay open without use.

    uvicorn ends it between two requests, but waits without limit for the rest of a request, and for a client that does
    not take an answer.
    """

    _look: asyncio.TimerHandle | None = None
    _idle_with: tuple[RequestResponseCycle | None] | None = None
    _opened_at = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        """Begin to look at the connection; of too many, end the oldest that is not being answered."""
        super().connection_made(transport)
        self._opened_at = self.loop.time()
        self._look_later()
        if len(self.connections) > MOST_CONNECTIONS:
            idle = [one for one in self.connections if isinstance(one, Connection) and not one.answering]
            min(idle, key=lambda one: one._opened_at, default=self).transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """End the looks."""
        if self._look is not None:
            self._look.cancel()
        super().connection_lost(exc)

    @property
    def answering(self) -> bool:
        """Whether an answer is being made or sent."""
        return self.cycle is not None and not self.cycle.response_complete and not self.transport.is_closing()

    def _look_later(self) -> None:
        self._look = self.loop.call_later(LOOK_EVERY_S, self._end_if_idle)

    def _end_if_idle(self) -> None:
        idle_with = None if self.answering else (self.cycle,)
        if idle_with is not None and idle_with == self._idle_with:
            self.transport.abort()  # `close` would wait until the client has taken everything
            return
        self._idle_with = idle_with
        self._look_later()
