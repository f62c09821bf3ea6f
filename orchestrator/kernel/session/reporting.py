"""Reports of a running session: tagged lines in the log, and an event file of limited size.

A platform's log arrives late and may keep only its end; the event file is UTF-8 and is fetched with the outputs.
Progress is limited to a rate that falls during the session, because every poll of the log transfers all of it.
"""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import IO, Any

from orchestrator.kernel.files.atomic import make_folder
from orchestrator.kernel.wire import canonical_json, report_line

EVENTS_LIMIT_BYTES = 2_000_000
FIRST_INTERVAL_S, LAST_INTERVAL_S = 1.0, 12.0
ALIVE_AFTER_S = 14.0
"""Seconds without a progress report after which a session says that it is alive: who watches waits 15 s at most."""

_writing = threading.RLock()
"""Held while a report is written: the session and its heartbeat are two threads."""
if hasattr(os, "register_at_fork"):  # else a child that is made while the heartbeat writes could never report
    os.register_at_fork(before=_writing.acquire, after_in_parent=_writing.release, after_in_child=_writing.release)


def progress_interval_s(elapsed_s: float) -> float:
    """Seconds between two progress lines, `elapsed_s` after the start: 1 s, plus 1 s per minute, at most 12 s."""
    return min(LAST_INTERVAL_S, FIRST_INTERVAL_S + elapsed_s / 60.0)


def later(moment: datetime, seconds: float | None) -> datetime | None:
    """A moment some seconds later; None without seconds, or where no calendar has it."""
    try:
        return None if seconds is None else moment + timedelta(seconds=seconds)
    except (OverflowError, ValueError):
        return None


class Reporter:
    """Writes the reports of one session.

    Args:
        events_path: The event file. It never holds a partial line. After a failed write it is closed, and later
            events are counted as dropped.
        echo: Receives each line of the log, without its line end.
        now: Aware UTC time.
        monotonic: Seconds, for the rate limit.
        deadline_at: Aware time at which the session must have ended, stated in every report of progress; None without
            a limit.
        target_steps: Steps of the whole training, stated in every report that the session is alive; None where only its
            code knows them.
        limit_bytes: Size limit of the event file; events beyond it are dropped and counted.

    Attributes:
        steps_now: Returns the steps done now, for reports between two reports of progress; None where it is not known.
    """

    def __init__(
        self,
        events_path: Path,
        *,
        echo: Callable[[str], None],
        now: Callable[[], datetime],
        monotonic: Callable[[], float],
        deadline_at: datetime | None = None,
        target_steps: int | None = None,
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
        self._shown_s = self._started_s
        self._latest: dict[str, Any] = {}
        self._deadline = {} if deadline_at is None else {"deadline_at": deadline_at.isoformat(timespec="seconds")}
        self._target = {} if target_steps is None else {"target_steps": target_steps}
        self._fault: OSError | None = None
        self.steps_now: Callable[[], int] | None = None
        self.dropped_events = 0

    def say(self, text: str) -> None:
        """Report a text for people, in the log and in the event file."""
        with _writing:
            self._raise_fault()
            for line in text.splitlines():
                self._echo(line)
            self._record("said", {"text": text})

    def event(self, kind: str, **fields: Any) -> None:
        """Report an event for programs, as a tagged line in the log and a line in the event file."""
        with _writing:
            self._raise_fault()
            self._echo(report_line(kind, **fields))
            self._record(kind, fields)

    def started(self, **fields: Any) -> None:
        """Report that the section's code starts, and until when it may run."""
        self.event("started", **self._deadline, **fields)

    def progress(self, *, last: bool = False, **fields: Any) -> None:
        """Report progress; calls within `progress_interval_s` of the previous one are ignored, except the `last`.

        The report has its time: a platform's log gives none that another computer could compare.
        """
        now_s = self._monotonic()
        interval_s = progress_interval_s(now_s - self._started_s)
        early = self._last_progress_s is not None and now_s - self._last_progress_s < interval_s
        if early and not last:
            return
        self._last_progress_s = self._shown_s = now_s
        self._latest = fields
        self.event("progress", at=self._now().isoformat(timespec="seconds"), **self._deadline, **fields)

    def alive(self) -> float:
        """Repeat the latest progress with the present steps, if nothing has reported any for `ALIVE_AFTER_S`.

        Called by another thread while an evaluation, a long step or code without reports is at work. If it cannot be
        written, the next report of the session raises the reason.

        Returns:
            Seconds after which to call again.
        """
        with _writing:
            quiet_s = self._monotonic() - self._shown_s
            if quiet_s >= ALIVE_AFTER_S:
                self._shown_s, quiet_s = self._monotonic(), 0.0
                at = self._now().isoformat(timespec="seconds")
                try:
                    self.event("alive", **{**self._target, **self._latest_now(), "at": at, **self._deadline})
                except OSError as fault:
                    self._fault = fault
            return ALIVE_AFTER_S - quiet_s

    def _latest_now(self) -> dict[str, Any]:
        """The fields of the latest progress; its time left belongs to its own steps."""
        latest = {name: value for name, value in self._latest.items() if name != "eta_s"}
        steps, before = None if self.steps_now is None else self.steps_now(), latest.get("steps", 0)
        return latest if steps is None or steps < before else {**latest, "steps": steps}

    def _raise_fault(self) -> None:
        fault, self._fault = self._fault, None
        if fault is not None:
            raise fault

    def close(self) -> None:
        """Close the event file; its last line is the number of dropped events, if any."""
        with _writing:
            if self.dropped_events:
                self._append(canonical_json({"kind": "dropped", "events": self.dropped_events}) + "\n")
            if self._stream is not None:
                self._stream.close()

    def _record(self, kind: str, fields: dict[str, Any]) -> None:
        line = canonical_json({**fields, "at": self._now().isoformat(), "kind": kind}) + "\n"
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
