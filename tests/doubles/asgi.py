"""Drives an ASGI application in this process, on an event loop whose time passes only while nothing happens."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from starlette.types import ASGIApp, Message, Scope

Result = TypeVar("Result")


class _Jumping(selectors.DefaultSelector):
    """Never waits: moves the loop's clock to the next timer instead."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 1000.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        found = super().select(0)
        if not found:
            assert timeout is not None, "nothing will ever happen"
            self.now_s += timeout
        return found


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop with a clock of its own."""

    def __init__(self) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now_s


def run_virtually(work: Coroutine[Any, Any, Result]) -> Result:
    """The result of a coroutine on a virtual clock."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(work)


async def here(work: Callable[[], Result]) -> Result:
    """Carry out work at once, in place of a thread."""
    return work()


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode("utf-8")

    def header(self, name: str) -> str | None:
        """The only header of a name."""
        (found,) = [value for key, value in self.headers if key == name] or [None]
        return found


@dataclass(slots=True)
class Exchange:
    """A request that is being answered.

    Attributes:
        parts: What was sent so far.
        takes: Set while the client takes what is sent.
    """

    parts: list[bytes] = field(default_factory=list)
    start: Message = field(default_factory=dict)
    left: asyncio.Event = field(default_factory=asyncio.Event)
    takes: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None

    @property
    def reply(self) -> Reply:
        headers = [(name.decode(), value.decode()) for name, value in self.start["headers"]]
        return Reply(self.start["status"], headers, b"".join(self.parts))

    async def receive(self) -> Message:
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        await self.takes.wait()
        if message["type"] == "http.response.start":
            self.start = message
        elif message.get("body"):
            self.parts.append(message["body"])

    async def leave(self) -> None:
        """The client closes its connection."""
        self.left.set()
        assert self.task is not None
        await self.task


@dataclass(frozen=True, slots=True)
class Client:
    """A browser at the application."""

    application: ASGIApp
    host: str | None = "127.0.0.1:8750"

    def open(self, path: str, method: str = "GET", headers: Mapping[str, str] | None = None) -> Exchange:
        """Send a request without waiting for the end of the answer."""
        exchange = Exchange()
        exchange.takes.set()
        exchange.task = asyncio.create_task(self._answered(exchange, self._scope(path, method, headers or {})))
        return exchange

    async def get(self, path: str, method: str = "GET", headers: Mapping[str, str] | None = None) -> Reply:
        """The whole answer."""
        exchange = self.open(path, method, headers)
        assert exchange.task is not None
        await exchange.task
        return exchange.reply

    async def _answered(self, exchange: Exchange, scope: Scope) -> None:
        await self.application(scope, exchange.receive, exchange.send)

    def _scope(self, path: str, method: str, headers: Mapping[str, str]) -> Scope:
        given = {**({} if self.host is None else {"host": self.host}), **headers}
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in given.items()],
        }
