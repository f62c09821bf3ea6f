"""A kernel's log, in whatever form it comes, as whole lines. Pure.

Three forms are known: events `{stream_name, time, data}` while the session runs, a JSON array of the same once it
is persisted, and plain text. Events may cut a line anywhere; the whole stream is replayed on every reconnect, so
the same assembly over the same events gives the same lines and a reader can count them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from orchestrator.backends.kaggle.client.errors import ServiceFault

_END_OF_LOG = "END_OF_LOG"
"""The stream's last word: `_LOG_STREAM_END_SENTINEL` in kaggle 2.2.4."""


class LineAssembler:
    """Joins the pieces of each stream into whole lines, in the order in which they become whole."""

    def __init__(self) -> None:
        self._partial: dict[str, str] = {}

    def feed(self, event: Mapping[str, Any]) -> Iterator[str]:
        """The lines that this event completes."""
        name = str(event.get("stream_name") or "")
        text = self._partial.pop(name, "") + str(event.get("data") or "")
        *whole, rest = text.split("\n")
        if rest:
            self._partial[name] = rest
        for line in whole:
            yield line.rstrip("\r")

    def rest(self) -> Iterator[str]:
        """What is left without a line end when the log has ended."""
        for name in list(self._partial):
            yield self._partial.pop(name).rstrip("\r")


def assemble(events: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """All lines of a log that has ended."""
    assembler = LineAssembler()
    for event in events:
        yield from assembler.feed(event)
    yield from assembler.rest()


def lines_of_log(text: str) -> list[str]:
    """Lines of a persisted log: a JSON array of events, or plain text."""
    if text.lstrip().startswith("["):
        try:
            events = json.loads(text)
        except (ValueError, RecursionError):
            events = None  # a plain line may begin with a bracket, ours do
        if isinstance(events, list) and all(isinstance(event, dict) for event in events):
            return list(assemble(events))
    # Not `splitlines`, which also splits at characters like U+0085 and U+2028.
    return [line.rstrip("\r") for line in text.removesuffix("\n").split("\n")] if text else []


def ends_stream(line: str) -> bool:
    """Whether a line of a server-sent stream says that the log is complete."""
    return line.startswith("data:") and line.removeprefix("data:").strip() == _END_OF_LOG


def event_of_sse(line: str) -> Mapping[str, Any] | None:
    """The event in one line of a server-sent stream; None for comments, blanks and other fields.

    Source: WHATWG HTML, server-sent events: a `data:` field, one optional space, the value.
    """
    if not line.startswith("data:"):
        return None
    payload = line.removeprefix("data:").removeprefix(" ")
    try:
        event = json.loads(payload)
    except (ValueError, RecursionError):
        return {"data": payload + "\n"}
    return event if isinstance(event, dict) else {"data": payload + "\n"}


def live_events(raw_lines: Iterable[bytes]) -> Iterator[Mapping[str, Any]]:
    """Events of a server-sent stream until its last word.

    Raises:
        ServiceFault: It ended without that.
    """
    for raw in raw_lines:
        line = raw.decode("utf-8", "replace")
        if ends_stream(line):
            return
        event = event_of_sse(line)
        if event is not None:
            yield event
    raise ServiceFault("log", status=None, words="the stream ended without its last word")
