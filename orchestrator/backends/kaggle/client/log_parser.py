"""Parses a kernel's log into whole lines. Pure.

Three forms are known: events `{stream_name, time, data}` while the session runs, a JSON array of such events
afterwards, and plain text. An event may end in the middle of a line. Every reconnect replays the whole stream, and
equal events give equal lines, so a reader can count lines to find its place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from orchestrator.backends.kaggle.client.errors import ServiceFault
from orchestrator.kernel.reading.json_text import Unreadable, read_json

_END_OF_LOG = "END_OF_LOG"
"""End mark of the stream: `_LOG_STREAM_END_SENTINEL` in kaggle 2.2.5."""

STORED = "stored"
"""Key of an event that is a line of a stored log: the session has ended."""


class LineAssembler:
    """Joins the pieces of each stream into whole lines, in the order in which the lines are completed."""

    def __init__(self) -> None:
        self._partial: dict[str, str] = {}

    def feed(self, event: Mapping[str, Any]) -> Iterator[str]:
        """The lines that this event completes."""
        name, data = event.get("stream_name"), event.get("data")
        name = name if isinstance(name, str) else ""
        text = self._partial.pop(name, "") + (data if isinstance(data, str) else "")
        *whole, rest = text.split("\n")
        if rest:
            self._partial[name] = rest
        for line in whole:
            yield _whole(line)

    def rest(self) -> Iterator[str]:
        """The last lines without a line end, once the log has ended."""
        for name in list(self._partial):
            yield _whole(self._partial.pop(name))


def _whole(line: str) -> str:
    """A whole line: its halves of surrogate pairs are joined, and one without its other half is replaced."""
    return line.rstrip("\r").encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def assemble(events: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """All lines of a complete log."""
    assembler = LineAssembler()
    for event in events:
        yield from assembler.feed(event)
    yield from assembler.rest()


def lines_of_log(text: str) -> list[str]:
    """Lines of a stored log: a JSON array of events, or plain text."""
    if text.lstrip().startswith("["):
        try:
            events = _read(text)
        except Unreadable:
            events = None  # plain text whose first line begins with a bracket, as ours do
        if isinstance(events, list) and all(isinstance(event, dict) for event in events):
            return list(assemble(events))
    # Not `splitlines`, which also splits at characters such as U+0085 and U+2028.
    return [line.rstrip("\r") for line in text.removesuffix("\n").split("\n")] if text else []


def _read(text: str) -> Any:
    """JSON in which an event may end between the halves of a surrogate pair."""
    return read_json(text, halves=True)


def ends_stream(line: str) -> bool:
    """Whether a line of a server-sent event stream is its end mark."""
    return line.startswith("data:") and line.removeprefix("data:").strip() == _END_OF_LOG


def event_of_sse(line: str) -> Mapping[str, Any] | None:
    """The event in one line of a server-sent event stream; None for comments, blanks and other fields.

    Source: WHATWG HTML, server-sent events: `data:`, one optional space, the value.
    """
    if not line.startswith("data:"):
        return None
    payload = line.removeprefix("data:").removeprefix(" ")
    try:
        event = _read(payload)
    except Unreadable:
        return {"data": payload + "\n"}
    return event if isinstance(event, dict) else {"data": payload + "\n"}


def live_events(raw_lines: Iterable[bytes], leaves: Callable[[], bool] = lambda: False) -> Iterator[Mapping[str, Any]]:
    """Events of a server-sent event stream until its end mark.

    Args:
        leaves: Whether to leave the stream now; asked after every line, also after those that only keep it open.

    Raises:
        ServiceFault: The stream ended without the mark.
    """
    for raw in raw_lines:
        line = raw.decode("utf-8", "replace")
        if ends_stream(line):
            return
        event = event_of_sse(line)
        if event is not None:
            yield event
        if leaves():
            return
    raise ServiceFault("log", status=None, message="the log stream ended early")
