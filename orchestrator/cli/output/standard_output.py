"""Standard output: hides secrets, prints what a terminal can show, reports lost lines once, and is never silent."""

from __future__ import annotations

import os
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

_STANDARD_ERROR = 2


_ASCII = {
    "✓": "+",
    "✗": "x",
    "✅": "[OK]",
    "⚠️": "[!]",
    "⚠": "[!]",
    "→": "->",
    "…": "...",
    "·": "-",
    **dict(zip("▁▂▃▄▅▆▇█", "_.-=+*#@", strict=True)),
}


_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters except tab and line end, characters that reorder a line, and bytes of a name that are not UTF-8.

Names of files and lines of a session's log may hold them; a terminal would obey them.
"""


def encodable(text: str, encoding: str | None) -> str:
    """The text itself where the encoding has all its characters, else with ASCII signs and `?` for those it lacks.

    Characters that a terminal obeys instead of showing them are escaped, as ESC is by four characters: parts of the
    text may come from a log or a file.

    Args:
        text: What to print.
        encoding: Python name of the stream's encoding; None counts as ASCII.
    """
    text = _UNSAFE.sub(lambda found: ascii(found[0])[1:-1], text)
    name = encoding or "ascii"
    try:
        text.encode(name)
        return text
    except LookupError:
        name = "ascii"
    except UnicodeEncodeError:
        pass
    for sign, plain in _ASCII.items():
        text = text.replace(sign, plain)
    return text.encode(name, "replace").decode(name)


def open_closed_streams() -> None:
    """Open the null device in place of standard streams that the caller has closed, as in `status >&-`.

    Otherwise Python has no such stream, and the first file that is opened, such as the ledger, gets its number.
    """
    while (number := os.open(os.devnull, os.O_RDWR)) <= _STANDARD_ERROR:
        os.set_inheritable(number, True)
    os.close(number)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 open until the process ends


class Printable:
    """Makes each line that a command shows ready for a stream: without secrets, in an encoding that the stream has.

    Args:
        stream: Where the lines go.
    """

    def __init__(self, stream: TextIO) -> None:
        self._encoding = stream.encoding
        self._hide: Callable[[str], str] | None = None

    def __call__(self, line: str) -> str:
        """The line as it may be printed."""
        if self._hide is None:
            from orchestrator.stores.secrets.rules import LineMask  # imported late, as a command's other imports

            self._hide = LineMask()
        return encodable(self._hide(line), self._encoding)


def restart_with_utf8_paths() -> None:
    """Restart this command in Python's UTF-8 mode if file names would be read as ASCII.

    With `LC_ALL=C PYTHONUTF8=0`, a path with an accent becomes text that no file system and no database accepts, and
    a path that the ledger stored under another locale is not found. Output keeps the encoding of the terminal.
    """
    if sys.getfilesystemencoding().lower().replace("-", "") == "utf8" or "utf8" in sys._xoptions:
        return
    os.environ.setdefault("PYTHONIOENCODING", f"{sys.stdout.encoding}:backslashreplace")
    os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])


_lost: list[OSError] = []


SILENCE_S = 15.0
"""Longest time without a sign of life; the line that then comes repeats what was said last."""
FIRST_S = 2.0
"""Time without any line after which work that was only announced to the pulse is named."""
_LOOK_EVERY_S, _JOIN_S = 1.0, 2.0
_MOST_REPEATED_CHARS = 100


class Pulse:
    """Repeats the last line of a command, with the time since then, while work blocks and nothing is printed.

    Args:
        monotonic: Clock in seconds.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._lock = threading.RLock()
        self._speak: Callable[[str], None] | None = None
        self._last, self._said_s, self._shown_s = "", 0.0, 0.0
        self._running = 0

    def said(self, text: str, speak: Callable[[str], None]) -> None:
        """A line was printed.

        Args:
            text: The line, as it was printed.
            speak: Prints a further line in the same place.
        """
        with self._lock:
            self._said_s = self._shown_s = self._monotonic()
            self._last, self._speak = " ".join(text.split())[:_MOST_REPEATED_CHARS], speak

    def begins(self, text: str, speak: Callable[[str], None]) -> None:
        """Work begins that prints nothing by itself: a line follows within `FIRST_S`, unless something is printed."""
        with self._lock:
            self.said(text, speak)
            self._shown_s -= SILENCE_S - FIRST_S

    def shown(self) -> None:
        """Something else was shown, such as a bar."""
        with self._lock:
            self._shown_s = self._monotonic()

    def end(self) -> None:
        """Print no more until the next line: what follows is the last output."""
        with self._lock:
            self._speak = None

    def beat(self) -> float:
        """Repeat the last line if nothing was printed for `SILENCE_S`; returns the seconds until the next look."""
        with self._lock:
            now_s = self._monotonic()
            if self._speak is None or not self._last:
                return _LOOK_EVERY_S
            if now_s - self._shown_s >= SILENCE_S:
                minutes, seconds = divmod(round(now_s - self._said_s), 60)
                self._shown_s = now_s
                self._speak(f"  still running after {minutes}:{seconds:02d}: {self._last}")
            return SILENCE_S - (now_s - self._shown_s)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Beat from a thread that ends with the block. Blocks inside it share the thread."""
        self._running += 1
        over = threading.Event()
        thread = threading.Thread(target=self._beat_until, args=(over,), name="pulse", daemon=True)
        try:
            if self._running == 1:
                self.end()  # a line from before the block may name a stream that is closed by now
                thread.start()
            yield
        finally:
            self._running -= 1
            over.set()
            if thread.ident is not None:
                thread.join(_JOIN_S)  # it may be blocked by a pipe that nothing reads
                self.end()

    def _beat_until(self, over: threading.Event) -> None:
        wait_s = 0.0
        while not over.wait(max(0.05, min(wait_s, _LOOK_EVERY_S))):
            wait_s = self.beat()


_printing = threading.Lock()

PULSE = Pulse()
"""Of this command: `run_command` runs it, consoles report to it what they print."""


def print_line(text: str, stream: TextIO) -> None:
    """Print a line of a command that may take hours: a closed pipe, or a log on a full disk, must not end it.

    The command reports at its end that output could not be written.
    """
    with _printing:  # a line and its end are two writes, and the pulse is another thread
        try:
            print(text, file=stream, flush=True)
        except OSError as fault:
            note_lost(fault)


def note_lost(fault: OSError) -> None:
    """Note why a line could not be written. A closed pipe does not count: its reader left."""
    if not isinstance(fault, BrokenPipeError):
        _lost.append(fault)


def take_lost() -> OSError | None:
    """The first error noted since the last call, None without one."""
    found = _lost[0] if _lost else None
    _lost.clear()
    return found
