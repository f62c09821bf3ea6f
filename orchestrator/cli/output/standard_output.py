"""Standard output: what a terminal cannot show is printed in ASCII, and what could not be written is reported once."""

from __future__ import annotations

import os
import sys

from orchestrator.kernel.reading.json_text import without_controls

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

    Control sequences of terminals are removed: parts of the text may come from a log or a file.

    Args:
        text: What to print.
        encoding: Python name of the stream's encoding; None counts as ASCII.
    """
    name, text = encoding or "ascii", without_controls(text)
    try:
        text.encode(name)
    except (UnicodeEncodeError, LookupError):
        for sign, plain in _ASCII.items():
            text = text.replace(sign, plain)
        return text.encode("ascii", "replace").decode("ascii")
    return text


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
