"""Reports of a running session: tagged lines in the log, and an event file of limited size.

A platform's log arrives late and may keep only its end; the event file is UTF-8 and is fetched with the outputs.
Progress is limited to a rate that falls during the session, because every poll of the log transfers all of it.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from orchestrator.kernel.files.atomic import make_folder
from orchestrator.kernel.wire import canonical_json, report_line

EVENTS_LIMIT_BYTES = 2_000_000
FIRST_INTERVAL_S, LAST_INTERVAL_S = 1.0, 15.0


def progress_interval_s(elapsed_s: float) -> float:
    """Seconds between two progress lines, `elapsed_s` after the start: 1 s, plus 1 s per minute, at most 15 s."""
    return min(LAST_INTERVAL_S, FIRST_INTERVAL_S + elapsed_s / 60.0)


class Reporter:
    """Writes the reports of one session.

    Args:
        events_path: The event file. It never holds a partial line. After a failed write it is closed, and later
            events are counted as dropped.
        echo: Receives each line of the log, without its line end.
        now: Aware UTC time.
        monotonic: Seconds, for the rate limit.
        limit_bytes: Size limit of the event file; events beyond it are dropped and counted.
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
        make_folder(events_path.parent)
        if os.path.lexists(events_path) and not events_path.is_file():  # to open a pipe blocks
            raise FileExistsError(errno.EEXIST, "it is no regular file", str(events_path))
        self._path = events_path
        self._stream: IO[str] | None = events_path.open("a", encoding="utf-8", newline="\n")
        self._complete_bytes = events_path.stat().st_size
        self._echo = echo
        self._now = now
        self._monotonic = monotonic
        self._limit_bytes = limit_bytes
        self._started_s = monotonic()
        self._written_bytes = 0
        self._last_progress_s: float | None = None
        self.dropped_events = 0

    def say(self, text: str) -> None:
        """Report a text for people, in the log and in the event file."""
        for line in text.splitlines():
            self._echo(line)
        self._record("said", {"text": text})

    def event(self, kind: str, **fields: Any) -> None:
        """Report an event for programs, as a tagged line in the log and a line in the event file."""
        self._echo(report_line(kind, **fields))
        self._record(kind, fields)

    def progress(self, *, last: bool = False, **fields: Any) -> None:
        """Report progress; calls within `progress_interval_s` of the previous one are ignored, except the `last`."""
        now_s = self._monotonic()
        interval_s = progress_interval_s(now_s - self._started_s)
        early = self._last_progress_s is not None and now_s - self._last_progress_s < interval_s
        if early and not last:
            return
        self._last_progress_s = now_s
        self.event("progress", **fields)

    def close(self) -> None:
        """Close the event file; its last line is the number of dropped events, if any."""
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
        """Write a line completely or not at all; it is ASCII, so its length is its size in bytes.

        Raises:
            OSError: The line cannot be written.
        """
        if self._stream is None:
            return
        try:
            self._stream.write(line)
            self._stream.flush()
            self._complete_bytes += len(line)
        except OSError:
            self.dropped_events += 1
            stream, self._stream = self._stream, None
            with suppress(OSError):  # closing tries again to write the rest of the line
                stream.close()
            os.truncate(self._path, self._complete_bytes)
            raise
