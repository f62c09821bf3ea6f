"""The one door by which every failure leaves: one line of cause, one of remedy, an exit code, no traceback."""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from orchestrator.cli.encoding import encodable
from orchestrator.core.errors import EXIT_INTERRUPTED, EXIT_OUR_BUG, OrchestratorError


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
    except KeyboardInterrupt:
        remedy = "A running session goes on by itself; run the same command again to find it."
        _tell("interrupted", remedy)
        code, cause = EXIT_INTERRUPTED, "interrupted"
    except Exception as bug:
        report = _keep(traceback.format_exc())
        cause, remedy = f"internal error: {type(bug).__name__}: {bug}", f"Please report it with {report}."
        _tell(cause, remedy)
        code = EXIT_OUR_BUG
    if as_json:
        print_json({"error": cause, "remedy": remedy, "exit_code": code})
    return code


def print_json(value: Mapping[str, Any]) -> None:
    """One object on one line of standard output, ASCII so that no terminal can refuse it."""
    print(json.dumps(value, ensure_ascii=True, allow_nan=False), flush=True)


def _tell(cause: str, remedy: str) -> None:
    text = f"Error: {cause}" + (f"\n{remedy}" if remedy else "")
    print(encodable(text, sys.stderr.encoding), file=sys.stderr, flush=True)


def _keep(report: str) -> Path:
    path = Path(".orchestrator") / "last_error.txt"
    try:
        path.parent.mkdir(exist_ok=True)
        path.write_text(report, encoding="utf-8")
    except OSError:
        # Where even that cannot be written, the terminal is the only place left.
        print(report, file=sys.stderr)
    return path
