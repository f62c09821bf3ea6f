"""Standard output: hides secrets, prints in ASCII what a terminal cannot show, and reports lost lines once."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
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


def print_line(text: str, stream: TextIO) -> None:
    """Print a line of a command that may take hours: a closed pipe, or a log on a full disk, must not end it.

    The command reports at its end that output could not be written.
    """
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
