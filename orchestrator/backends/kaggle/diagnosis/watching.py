"""Follows one probe session: its state, and its log line by line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from orchestrator.backends.kaggle.client.api import KaggleApi
from orchestrator.backends.kaggle.client.errors import ServiceFault
from orchestrator.backends.kaggle.client.log_parser import STORED, LineAssembler
from orchestrator.backends.kaggle.client.mapping import STATES
from orchestrator.core.session.backend_types import SessionState
from orchestrator.ports import Clock

_LOOK_EVERY_S = 5.0


@dataclass(slots=True, kw_only=True)
class Watched:
    """What was seen of a session.

    Attributes:
        status: Last state, by Kaggle's name.
        arrivals_s: Monotonic time at which each log line first arrived while the session ran.
        stream_ended: Whether the live log ended by itself.
    """

    status: str = ""
    lines: list[str] = field(default_factory=list)
    arrivals_s: list[float] = field(default_factory=list)
    stream_ended: bool = False

    @property
    def ended(self) -> bool:
        """Whether its state is final."""
        return STATES.get(self.status) is SessionState.ENDED


class Watcher:
    """Watches sessions of one account.

    Args:
        patience_s: Longest wait for the end of a session, its time before the start included.
    """

    def __init__(self, api: KaggleApi, clock: Clock, patience_s: float) -> None:
        self._api = api
        self._clock = clock
        self._patience_s = patience_s

    def watch(self, slug: str, on_line: Callable[[str], None] = lambda line: None) -> Watched:
        """Wait for the end of a session; `on_line` gets each line of its log once.

        Raises:
            ServiceFault: Its state cannot be read.
        """
        seen, until_s = Watched(), self._clock.monotonic() + self._patience_s
        while True:
            seen.status = self._status(slug)
            if seen.ended or STATES.get(seen.status) is SessionState.RUNNING:
                self._read_log(slug, seen, on_line)
            if seen.ended or self._clock.monotonic() >= until_s:
                return seen
            self._clock.sleep(_LOOK_EVERY_S)

    def _status(self, slug: str) -> str:
        try:
            return self._api.status(self._api.account, slug)[0]
        except ServiceFault as fault:
            if fault.status == 404:
                return "not visible yet"
            raise

    def _read_log(self, slug: str, seen: Watched, on_line: Callable[[str], None]) -> None:
        """New lines until the stream ends or breaks; every stream starts with the first line."""
        live, assembler, count = not seen.ended, LineAssembler(), 0
        try:
            for event in self._api.log_events(self._api.account, slug):
                live = live and STORED not in event  # it has ended since its state was read
                for line in assembler.feed(event):
                    count += 1
                    if count <= len(seen.lines):
                        continue
                    seen.lines.append(line)
                    if live:
                        seen.arrivals_s.append(self._clock.monotonic())
                    on_line(line)
        except ServiceFault:
            return  # the next look opens it again, and the row of the log shows what arrived
        seen.stream_ended = seen.stream_ended or live
