"""The one door by which every failure leaves: one line of cause, one of remedy, an exit code, no traceback."""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from orchestrator.cli.output.encoding import encodable
from orchestrator.cli.output.lost_output import first_loss, lose
from orchestrator.core.errors import EXIT_BAD_INPUT, EXIT_INTERRUPTED, EXIT_OUR_BUG, OrchestratorError


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    """What is said of a failure."""

    cause: str
    remedy: str
    code: int


def run_command(act: Callable[[], int], *, as_json: bool = False) -> int:
    """Run a command and turn whatever it raises into words and an exit code.

    Args:
        act: The command; returns its exit code.
        as_json: Also put the failure on the last line of standard output, as one JSON object.
    """
    try:
        code = act()
        _require_written()
        return code
    except (Exception, KeyboardInterrupt) as fault:
        told = _masked(_told_of(fault))
    text = f"Error: {told.cause}" + (f"\n{told.remedy}" if told.remedy else "")
    _say(encodable(text, sys.stderr.encoding), sys.stderr)
    if as_json:
        plain = {"error": told.cause, "remedy": told.remedy, "exit_code": told.code}
        _say(json.dumps(plain, ensure_ascii=True, allow_nan=False), sys.stdout)
    return told.code


def print_json(value: Mapping[str, Any]) -> None:
    """One object on one line of standard output, ASCII so that no terminal can refuse it."""
    try:
        print(json.dumps(value, ensure_ascii=True, allow_nan=False), flush=True)
    except OSError as fault:
        lose(fault)


def _told_of(fault: BaseException) -> _Told:
    if isinstance(fault, OrchestratorError) and fault.exit_code == EXIT_BAD_INPUT:
        return _Told(cause=str(fault), remedy=fault.remedy, code=fault.exit_code)
    if isinstance(fault, KeyboardInterrupt):
        remedy = "A running session goes on by itself; run the same command again to find it."
        return _Told(cause="interrupted", remedy=remedy, code=EXIT_INTERRUPTED)
    # A full disk is the reason, whatever was raised on the way out of it.
    if (stored := _of_storage(fault)) is not None:
        return stored
    if isinstance(fault, OrchestratorError):
        return _Told(cause=str(fault), remedy=fault.remedy, code=fault.exit_code)
    report = "".join(traceback.format_exception(fault))
    return _Told(
        cause=f"internal error: {type(fault).__name__}: {fault}",
        remedy=f"Please report it with {_keep(report)}.",
        code=EXIT_OUR_BUG,
    )


def _of_storage(fault: BaseException) -> _Told | None:
    """The words for a file that could not be written or read here, None for every other failure."""
    try:
        from orchestrator.core.diagnostics.storage import storage_fault
        from orchestrator.kernel.files.storage import free_text, storage_path, storage_trouble
    except ModuleNotFoundError:
        return None  # the project's own runtime is not there: that is the failure to tell

    trouble = storage_trouble(fault)
    if trouble is None:
        return None
    # An error of writing names no file; what is written stands in the project, with few exceptions.
    path = storage_path(fault) or _project_folder()
    told = storage_fault(trouble, str(path or fault), free_text(path) if path else "")
    return _Told(cause=str(told), remedy=told.remedy, code=told.exit_code)


def _project_folder() -> Path | None:
    from orchestrator.stores.project import find_project

    try:
        return find_project().state
    except (OSError, OrchestratorError):
        return None


def _masked(told: _Told) -> _Told:
    """The same without any secret in use."""
    from orchestrator.core.secret_search import masked
    from orchestrator.stores.secrets.in_use import secrets_in_use

    secrets = secrets_in_use()
    return _Told(cause=masked(told.cause, secrets), remedy=masked(told.remedy, secrets), code=told.code)


def _say(text: str, stream: TextIO) -> None:
    # The stream may be what is full or gone; the exit code still tells.
    with suppress(OSError):
        print(text, file=stream, flush=True)
        return
    _give_up(stream)


def _require_written() -> None:
    """See that all output was written, so that a full disk is told here and not by the interpreter on its way out.

    Raises:
        OSError: Some could not be written.
    """
    try:
        sys.stdout.flush()
    except OSError as fault:
        lose(fault)
        _give_up(sys.stdout)
    if (lost := first_loss()) is not None:
        raise OSError(lost.errno, lost.strerror, "standard output") from lost


def _give_up(stream: TextIO) -> None:
    """Throw away what a stream could not write: the interpreter would try again at its end, and exit with 120."""
    with suppress(OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)
        stream.flush()


def _own_folder() -> Path:
    """The program's own folder in the project, found also where the project's runtime is damaged."""
    try:
        from orchestrator.stores.project import find_project
    except ModuleNotFoundError:
        root = Path(os.environ.get("ORCHESTRATOR_ROOT") or Path.cwd())
        if not (root / "configs" / "sections").is_dir():
            raise FileNotFoundError(str(root)) from None
        return root / ".orchestrator"
    return find_project().own


def _keep(report: str) -> str:
    """Put the account of our own bug into a file; says where it is."""
    from orchestrator.core.secret_search import masked
    from orchestrator.stores.secrets.in_use import secrets_in_use

    report = masked(report, secrets_in_use())
    try:
        path = _own_folder() / "last_error.txt"
        path.parent.mkdir(exist_ok=True)
        path.write_text(report, encoding="utf-8", errors="backslashreplace")
    except (OSError, OrchestratorError):
        # Without a project, or where it cannot be written, the terminal is the only place left.
        _say(encodable(report, sys.stderr.encoding), sys.stderr)
        return "the text above"
    return str(path)
