"""Turns every failure of a command into one line of cause, one of remedy, and an exit code; never a traceback."""

from __future__ import annotations

import json
import os
import sqlite3
import sys
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TextIO

from orchestrator.cli.output.standard_output import PULSE, encodable, note_lost, take_lost
from orchestrator.core.errors import EXIT_BAD_INPUT, EXIT_INTERRUPTED, EXIT_OUR_BUG, OrchestratorError

_DAMAGED = "It is damaged, or another program wrote it: move it away, then run the same command again."


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """What is printed for a failure."""

    cause: str
    remedy: str
    code: int
    files: tuple[str, ...] = ()


def run_command(act: Callable[[], int], *, as_json: bool = False) -> int:
    """Run a command; print any failure and return its exit code.

    Args:
        act: The command; returns its exit code.
        as_json: Also print the failure as one JSON object on the last line of standard output.
    """
    try:
        with PULSE.running():
            code = act()
        _require_output_written()
        return code
    except (Exception, KeyboardInterrupt) as fault:
        failure = _masked(_failure_of(fault))
    text = f"Error: {failure.cause}" + (f"\n{failure.remedy}" if failure.remedy else "")
    _print(encodable(text, sys.stderr.encoding), sys.stderr)
    if as_json:
        plain: dict[str, Any] = {"error": failure.cause, "remedy": failure.remedy, "exit_code": failure.code}
        plain |= {"files": failure.files} if failure.files else {}
        _print(json.dumps(plain, ensure_ascii=True, allow_nan=False), sys.stdout)
    return failure.code


def print_json(value: Mapping[str, Any]) -> None:
    """Print one object without secrets on one line of standard output, in ASCII so that every terminal can show it."""
    from orchestrator.core.secret_search import masked_json
    from orchestrator.stores.secrets.rules import masking

    PULSE.end()
    try:
        print(json.dumps(masked_json(value, masking()), ensure_ascii=True, allow_nan=False), flush=True)
    except OSError as fault:
        note_lost(fault)


def expected_failure(fault: BaseException) -> Failure | None:
    """Cause and remedy of a failure that is no bug of this program, without secrets; None for a bug."""
    failure = _expected(fault)
    return None if failure is None else _masked(failure)


def _failure_of(fault: BaseException) -> Failure:
    if (expected := _expected(fault)) is not None:
        return expected
    report = "".join(traceback.format_exception(fault))
    return Failure(
        cause=f"internal error: {type(fault).__name__}: {fault}",
        remedy=f"Please report it with {_keep(report)}.",
        code=EXIT_OUR_BUG,
    )


def _expected(fault: BaseException) -> Failure | None:
    if isinstance(fault, OrchestratorError) and fault.exit_code == EXIT_BAD_INPUT:
        return Failure(cause=str(fault), remedy=fault.remedy, code=fault.exit_code)
    if isinstance(fault, KeyboardInterrupt):
        remedy = "A session in flight keeps running: the same command finds it again, and `cancel` stops it."
        return Failure(cause="interrupted", remedy=remedy, code=EXIT_INTERRUPTED)
    # If the disk is full, that is the cause, whatever was raised because of it.
    if (storage := _storage_failure(fault)) is not None:
        return storage
    if isinstance(fault, OrchestratorError):
        return Failure(cause=str(fault), remedy=fault.remedy, code=fault.exit_code, files=fault.files)
    if (name := _file_failure(fault)) is not None:
        return name
    if _is_unreadable(fault):  # something from outside, not a bug
        return Failure(cause=str(fault), remedy=_DAMAGED, code=EXIT_BAD_INPUT)
    return None


def _is_unreadable(fault: BaseException) -> bool:
    try:
        from orchestrator.kernel.reading.json_text import Unreadable
    except ModuleNotFoundError:
        return False  # the project's own code is missing: that is the failure to print
    return isinstance(fault, Unreadable)


def _storage_failure(fault: BaseException) -> Failure | None:
    """The failure for a file that could not be written or read here; None for any other fault."""
    try:
        from orchestrator.core.diagnostics.storage import storage_fault
        from orchestrator.kernel.files.storage import free_text, storage_path, storage_trouble
    except ModuleNotFoundError:
        return None  # the project's own code is missing: that is the failure to print
    trouble = storage_trouble(fault)
    if trouble is None:
        return None
    # A write error names no file; nearly everything that is written belongs to the project.
    path = storage_path(fault) or _project_folder()
    failure = storage_fault(trouble, str(path or fault), free_text(path) if path else "")
    return Failure(cause=str(failure), remedy=failure.remedy, code=failure.exit_code)


def _file_failure(fault: BaseException) -> Failure | None:
    """The failure for a file or folder that is absent, in the way, or has an impossible name; None for any other.

    The same for a ledger that another program holds, or that was damaged while this command used it.
    """
    try:
        from orchestrator.core.diagnostics.storage import file_fault
        from orchestrator.stores.ledger.errors import disk_full, unreadable
    except ModuleNotFoundError:
        return None  # the project's own code is missing: that is the failure to print
    found: OrchestratorError | None = file_fault(fault)
    ledger = (_project_folder() or Path()) / ".orchestrator" / "ledger.sqlite"
    if isinstance(fault, sqlite3.OperationalError):
        found = disk_full(ledger, fault)
    elif type(fault) is sqlite3.DatabaseError:  # its other subclasses are faults of this program
        found = unreadable(ledger, str(fault))
    return None if found is None else Failure(cause=str(found), remedy=found.remedy, code=found.exit_code)


def _project_folder() -> Path | None:
    from orchestrator.stores.project import find_project

    try:
        return find_project().state
    except (OSError, OrchestratorError):
        return None


def _masked(failure: Failure) -> Failure:
    """Hide secrets in a failure."""
    mask = _mask()
    return Failure(
        cause=mask(failure.cause),
        remedy=mask(failure.remedy),
        code=failure.code,
        files=tuple(mask(path) for path in failure.files),
    )


def _mask() -> Callable[[str], str]:
    """Hides secrets in a text; in a damaged installation without the library that has the rules, those in use."""
    from orchestrator.core.secret_search import ValueMask
    from orchestrator.stores.secrets.in_use import secrets_in_use

    if find_spec("detect_secrets") is None:
        return ValueMask(secrets_in_use())
    from orchestrator.stores.secrets.rules import masking

    return masking()


def _print(text: str, stream: TextIO) -> None:
    # The stream itself may be full or closed; the exit code still shows the failure.
    with suppress(OSError):
        print(text, file=stream, flush=True)
        return
    _discard(stream)


def _require_output_written() -> None:
    """Check that all output was written, so that a full disk is reported here and not at interpreter exit.

    Raises:
        OSError: A line could not be written.
    """
    try:
        sys.stdout.flush()
    except OSError as fault:
        note_lost(fault)
        _discard(sys.stdout)
    if (lost := take_lost()) is not None:
        raise OSError(lost.errno, lost.strerror, "standard output") from lost


def _discard(stream: TextIO) -> None:
    """Discard what a stream could not write: at its exit the interpreter would try again, and exit with 120."""
    with suppress(OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)
        stream.flush()


def _own_folder() -> Path:
    """The folder `.orchestrator` of the project; found even if the project's own code is damaged."""
    try:
        from orchestrator.stores.project import find_project
    except ModuleNotFoundError:
        root = Path(os.environ.get("ORCHESTRATOR_ROOT") or Path.cwd())
        if not (root / "configs" / "sections").is_dir():
            raise FileNotFoundError(str(root)) from None
        return root / ".orchestrator"
    return find_project().own


def _keep(report: str) -> str:
    """Write the traceback of our own bug to a file, and return its path."""
    report = _mask()(report)
    try:
        path = _own_folder() / "last_error.txt"
        path.parent.mkdir(exist_ok=True)
        path.unlink(missing_ok=True)
        path.touch(mode=0o600)  # a secret of an unknown form may be in it, so no other user reads it
        path.write_text(report, encoding="utf-8", errors="backslashreplace")
    except (OSError, OrchestratorError):
        # Without a project, or where it cannot be written, only the terminal is left.
        _print(encodable(report, sys.stderr.encoding), sys.stderr)
        return "the text above"
    return str(path)
