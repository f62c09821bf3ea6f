"""Carries out slow work in a thread, so that the server goes on answering."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Protocol, TypeVar

Result = TypeVar("Result")


class Apart(Protocol):
    """Carries out work without blocking the event loop."""

    def __call__(self, work: Callable[[], Result], /) -> Awaitable[Result]:
        """The result of the work."""
        ...


async def in_thread(work: Callable[[], Result]) -> Result:
    """The result of work that a thread of its own carries out.

    The thread is a daemon: a request to a backend that takes long does not delay the end of the command. The threads of
    `asyncio.to_thread` would.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Result] = loop.create_future()

    def settle(result: Result | None, fault: BaseException | None) -> None:
        if done.cancelled():
            return
        if fault is not None:
            done.set_exception(fault)
        else:
            # Without a fault there is a result, which may be None itself.
            done.set_result(result)  # type: ignore[arg-type]

    def carry_out() -> None:
        result, fault = None, None
        try:
            result = work()
        except BaseException as raised:
            fault = raised
        with suppress(RuntimeError):  # the loop was closed meanwhile
            loop.call_soon_threadsafe(settle, result, fault)

    threading.Thread(target=carry_out, daemon=True).start()
    return await done
