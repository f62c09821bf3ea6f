"""Ctrl-C ends every command with exit code 130 and one line, at any moment; imports nothing that takes time.

The first Ctrl-C while a command works raises KeyboardInterrupt, so that files and locks are left in order. Before the
command begins, after it has ended, and at a second Ctrl-C the process exits at once: it may be killed anywhere.
"""

from __future__ import annotations

import _thread
import os
import signal
import sys
from types import FrameType
from typing import Any

_CODE = 130
_SHOW_CURSOR = b"\x1b[?25h"
"""A progress bar hides the cursor (https://www.xfree86.org/current/ctlseqs.html, DECTCEM)."""
_LINE = b"Error: interrupted\n"
_JSON = b'{"error": "interrupted", "remedy": "", "exit_code": 130}\n'


class InterruptGuard:
    """Decides what a Ctrl-C does at this moment."""

    def __init__(self) -> None:
        self._raises = False

    def listen(self) -> None:
        """Handle SIGINT from now on, unless it is ignored: a shell does that for commands in the background."""
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._on_signal)
            sys.unraisablehook = self._on_unraisable

    def begin(self) -> None:
        """The command works: the next Ctrl-C raises KeyboardInterrupt."""
        self._raises = True

    def end(self) -> None:
        """The command has ended: a Ctrl-C exits at once."""
        self._raises = False

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self._raises:
            self._raises = False
            raise KeyboardInterrupt
        if os.isatty(1):
            _write(1, _SHOW_CURSOR)
        _write(2, _LINE)
        if "--json" in sys.argv:
            _write(1, _JSON)
        os._exit(_CODE)

    def _on_unraisable(self, unraisable: Any) -> None:
        """Deliver a KeyboardInterrupt again that Python dropped, because it came inside a destructor or a callback."""
        if isinstance(unraisable.exc_value, KeyboardInterrupt):
            self._raises = True
            _thread.interrupt_main()
        else:
            sys.__unraisablehook__(unraisable)


def _write(descriptor: int, text: bytes) -> None:
    try:
        os.write(descriptor, text)
    except OSError:
        return  # the terminal is gone; the exit code still shows the interrupt
