"""What a session tells while it runs: tagged lines for the log, and its own bounded event file.

A platform's log is cut to its tail and arrives late; the event file is ours, UTF-8, and comes back with the
outputs. Both are rate-limited so that a busy loop cannot drown what matters, the more widely the longer a session
lasts: whoever looks again after nine hours gets the whole log once more.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from orchestrator.kernel.wire import canonical_json, report_line

EVENTS_LIMIT_BYTES = 2_000_000
FIRST_INTERVAL_S, LAST_INTERVAL_S = 1.0, 15.0


def progress_interval_s(elapsed_s: float) -> float:
    """Seconds between two lines of progress, so long after a session's start: one more for every minute."""
    return min(LAST_INTERVAL_S, FIRST_INTERVAL_S + elapsed_s / 60.0)


class Reporter:
    """Speaks for one session.

    Args:
        events_path: The event file; a write never leaves a torn line before the next one starts. Once one could not
            be written there is none any more, and later events are counted as dropped.
        echo: Receives each line of the log, without its line end.
        now: Aware UTC time.
        monotonic: Seconds, for the rate limit.
    """

    def __init__(
        self,
        events_path: Path,
        *,
        echo: Callable[[str], None],
        now: Callable[[], datetime],
        monotonic: Callable[[], float],
        limit_bytes: int = EVENTS_LIMIT_BYTES,
    ) -> None:
        events_path.parent.mkdir(parents=True, exist_ok=True)
        self._path = events_path
        self._stream: IO[str] | None = events_path.open("a", encoding="utf-8", newline="\n")
        self._sound_bytes = events_path.stat().st_size
        self._echo = echo
        self._now = now
        self._monotonic = monotonic
        self._limit_bytes = limit_bytes
        self._started_s = monotonic()
        self._written_bytes = 0
        self._last_progress_s: float | None = None
        self.dropped_events = 0

    def say(self, text: str) -> None:
        """A sentence for people: in the log, and in the event file."""
        for line in text.splitlines():
            self._echo(line)
        self._record("said", {"text": text})

    def event(self, kind: str, **fields: Any) -> None:
        """A fact for machines: a tagged line in the log, and in the event file."""
        self._echo(report_line(kind, **fields))
        self._record(kind, fields)

    def progress(self, *, last: bool = False, **fields: Any) -> None:
        """How far the training is; at most one every `progress_interval_s` unless it is the `last`."""
        reading_s = self._monotonic()
        interval_s = progress_interval_s(reading_s - self._started_s)
        early = self._last_progress_s is not None and reading_s - self._last_progress_s < interval_s
        if early and not last:
            return
        self._last_progress_s = reading_s
        self.event("progress", **fields)

    def close(self) -> None:
        """Finish the event file, saying how many events did not fit."""
        if self.dropped_events:
            self._append(canonical_json({"kind": "dropped", "events": self.dropped_events}) + "\n")
        if self._stream is not None:
            self._stream.close()

    def _record(self, kind: str, fields: dict[str, Any]) -> None:
        line = canonical_json({"at": self._now().isoformat(), "kind": kind, **fields}) + "\n"
        if self._stream is None or self._written_bytes + len(line) > self._limit_bytes:
            self.dropped_events += 1
            return
        self._written_bytes += len(line)
        self._append(line)

    def _append(self, line: str) -> None:
        """Write a line wholly or not at all; it is ASCII, so its length is its size.

        Raises:
            OSError: The disk refused.
        """
        if self._stream is None:
            return
        try:
            self._stream.write(line)
            self._stream.flush()
            self._sound_bytes += len(line)
        except OSError:
            self.dropped_events += 1
            stream, self._stream = self._stream, None
            with suppress(OSError):  # closing tries once more to write what is left of the line
                stream.close()
            os.truncate(self._path, self._sound_bytes)
            raise
