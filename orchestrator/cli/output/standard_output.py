"""Standard output: hides secrets, prints in ASCII what a terminal cannot show, and reports lost lines once."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import TextIO

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


def encodable(text: str, encoding: str | None) -> str:
    """The text itself where the encoding has all its characters, else an ASCII version.

    Args:
        text: What to print.
        encoding: Python name of the stream's encoding; None counts as ASCII.
    """
    name = encoding or "ascii"
    try:
        text.encode(name)
    except (UnicodeEncodeError, LookupError):
        for sign, plain in _ASCII.items():
            text = text.replace(sign, plain)
        return text.encode("ascii", "replace").decode("ascii")
    return text


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


def note_lost(fault: OSError) -> None:
    """Note why a line could not be written. A closed pipe does not count: its reader left."""
    if not isinstance(fault, BrokenPipeError):
        _lost.append(fault)


def take_lost() -> OSError | None:
    """The first error noted since the last call, None without one."""
    found = _lost[0] if _lost else None
    _lost.clear()
    return found
