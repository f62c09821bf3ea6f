"""The one door by which every failure leaves: one line of cause, one of remedy, an exit code, no traceback."""

from __future__ import annotations

import errno
import json
import sys
import traceback
from collections.abc import Callable, Mapping
from typing import Any

from orchestrator.cli.encoding import encodable
from orchestrator.core.errors import EXIT_INTERRUPTED, EXIT_OUR_BUG, EXIT_RUN_FAILED, OrchestratorError

_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})


def through_door(act: Callable[[], int], *, as_json: bool = False) -> int:
    """Run a command and turn whatever it raises into words and an exit code.

    Args:
        act: The command; returns its exit code.
        as_json: Also put the failure on the last line of standard output, as one JSON object.
    """
    try:
        return act()
    except OrchestratorError as fault:
        _tell(str(fault), fault.remedy)
        code, cause, remedy = fault.exit_code, str(fault), fault.remedy
    except OSError as fault:
        if fault.errno not in _NO_ROOM:
            code, cause, remedy = _report(fault)
        else:
            cause = f"the disk is full: {fault.filename or fault.strerror}"
            remedy = "Free disk space, then run the same command again; nothing is lost."
            code = EXIT_RUN_FAILED
        _tell(cause, remedy)
    except KeyboardInterrupt:
        remedy = "A running session goes on by itself; run the same command again to find it."
        _tell("interrupted", remedy)
        code, cause = EXIT_INTERRUPTED, "interrupted"
    except Exception as bug:
        code, cause, remedy = _report(bug)
        _tell(cause, remedy)
    if as_json:
        print_json({"error": cause, "remedy": remedy, "exit_code": code})
    return code


def print_json(value: Mapping[str, Any]) -> None:
    """One object on one line of standard output, ASCII so that no terminal can refuse it."""
    print(json.dumps(value, ensure_ascii=True, allow_nan=False), flush=True)


def _tell(cause: str, remedy: str) -> None:
    text = f"Error: {cause}" + (f"\n{remedy}" if remedy else "")
    print(encodable(text, sys.stderr.encoding), file=sys.stderr, flush=True)


def _report(bug: Exception) -> tuple[int, str, str]:
    """Exit code, cause and remedy of our own bug, whose traceback goes to a file."""
    kept = _keep(traceback.format_exc())
    return EXIT_OUR_BUG, f"internal error: {type(bug).__name__}: {bug}", f"Please report it with {kept}."


def _keep(report: str) -> str:
    from orchestrator.stores.project import find_project

    try:
        path = find_project().own / "last_error.txt"
        path.parent.mkdir(exist_ok=True)
        path.write_text(report, encoding="utf-8", errors="backslashreplace")
    except (OSError, OrchestratorError):
        # Without a project, or where it cannot be written, the terminal is the only place left.
        print(encodable(report, sys.stderr.encoding), file=sys.stderr)
        return "the text above"
    return str(path)
