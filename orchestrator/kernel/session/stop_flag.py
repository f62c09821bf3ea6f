"""A request to stop, as a flag: a signal handler must never do work of its own."""

from __future__ import annotations

import signal
from types import FrameType


class StopFlag:
    """Set by a signal, read by the training at its next safe boundary."""

    def __init__(self) -> None:
        self._requested = False

    @property
    def requested(self) -> bool:
        """Whether somebody asked the session to leave."""
        return self._requested

    def request(self) -> None:
        """Ask the session to leave at its next safe boundary."""
        self._requested = True

    def listen(self) -> None:
        """Turn SIGTERM and SIGINT into this flag for the rest of the process."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self.request()
