"""A request to stop, as a flag: a signal handler must never do work of its own."""

from __future__ import annotations

import signal
from types import FrameType


class StopFlag:
    """Set by a signal, read by the training at its next safe boundary."""

    def __init__(self) -> None:
        self._signal_name: str | None = None

    @property
    def requested(self) -> bool:
        """Whether somebody asked the session to leave."""
        return self._signal_name is not None

    @property
    def signal_name(self) -> str | None:
        """Name of the signal that asked, for the manifest."""
        return self._signal_name

    def request(self, signal_name: str) -> None:
        """Ask the session to leave at its next safe boundary."""
        self._signal_name = signal_name

    def listen(self) -> None:
        """Turn SIGTERM and SIGINT into this flag for the rest of the process."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self.request(signal.Signals(number).name)
