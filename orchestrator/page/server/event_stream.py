"""The stream of server-sent events: the whole page whenever it has changed, and a comment line in between.

https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from starlette.types import Receive, Scope, Send

from orchestrator.page.server.feed import Feed

KEEP_ALIVE_S = 15.0
STALLED_S = 60.0
"""A client that takes nothing for this time loses its stream; a browser connects again by itself."""
_RETRY = b"retry: 2000\n\n"
_KEEP_ALIVE = b": keep-alive\n\n"
_HEADERS = [(b"content-type", b"text/event-stream; charset=utf-8")]


class EventStream:
    """The answer to one client, as an ASGI application.

    A slow client delays only itself: it gets the newest page when it is ready for one, not those in between.

    Args:
        known: Digest of the page that the client has, from its `Last-Event-ID`; empty for none.
    """

    def __init__(self, feed: Feed, known: str) -> None:
        self._feed = feed
        self._known = known

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until the client leaves or takes nothing any more, or the feed is closed."""
        with self._feed.listening():
            tasks = {asyncio.create_task(self._send_all(send)), asyncio.create_task(_left(receive))}
            try:
                done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in tasks:
                    task.cancel()
        with suppress(TimeoutError):
            for task in done:
                task.result()

    async def _send_all(self, send: Send) -> None:
        await self._feed.fresh()  # so that the stream does not begin with an old page
        await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
        await _send_part(send, _RETRY)
        known = self._known
        while not self._feed.closed:
            edition = await self._feed.next(known, KEEP_ALIVE_S)
            if edition is not None:
                known = edition.digest
                await _send_part(send, b"id: %s\ndata: %s\n\n" % (known.encode("ascii"), edition.body))
            elif not self._feed.closed:
                await _send_part(send, _KEEP_ALIVE)
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _send_part(send: Send, part: bytes) -> None:
    async with asyncio.timeout(STALLED_S):
        await send({"type": "http.response.body", "body": part, "more_body": True})


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
