"""A kernel's log in the service's formats: a live stream while it runs, a JSON array afterwards."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.emulator.kernels import Kernel

END = b"data: END_OF_LOG\n\n"


def persisted(events: Sequence[dict[str, Any]]) -> str:
    """The whole log after the session's end."""
    return json.dumps(list(events))


def stream(kernel: Kernel, write: Callable[[bytes], None], break_after: int | None) -> bool:
    """Send the log from its beginning and follow it to its end.

    Args:
        write: Sends one chunk.
        break_after: Number of events after which the connection breaks; None for never.

    Returns:
        Whether the end of the log was reached.
    """
    sent = 0
    while True:
        with kernel.machine.grew:
            while len(kernel.machine.events) == sent and not kernel.ended.is_set():
                kernel.machine.grew.wait(timeout=5)
            fresh = kernel.machine.events[sent:]
            over = kernel.ended.is_set() and not fresh
        for event in fresh:
            if break_after is not None and sent >= break_after:
                return False
            write(b"data: " + json.dumps(event).encode("utf-8") + b"\n\n")
            sent += 1
        if over:
            write(END)
            return True
