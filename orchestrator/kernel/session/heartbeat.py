"""Keeps the reports of a session fresh while its code reports nothing: a long evaluation, a step of minutes."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from orchestrator.kernel.session.reporting import ALIVE_AFTER_S, Reporter

_LEAST_WAIT_S = 0.1


@contextmanager
def heartbeat(reporter: Reporter) -> Iterator[None]:
    """Report that the session is alive, from a thread that ends with the block.

    It reads numbers and writes reports; nothing that the training reads. A process that may not start threads goes
    without.
    """
    over = threading.Event()

    def beat() -> None:
        wait_s = ALIVE_AFTER_S
        while not over.wait(max(_LEAST_WAIT_S, wait_s)):
            wait_s = reporter.alive()

    thread = threading.Thread(target=beat, name="heartbeat", daemon=True)
    try:
        thread.start()
    except RuntimeError:
        thread = threading.current_thread()
    try:
        yield
    finally:
        over.set()
        if thread is not threading.current_thread():
            thread.join()
