"""Errors for a ledger that SQLite cannot read or write."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from orchestrator.core.diagnostics.storage import storage_fault
from orchestrator.core.errors import BadInput, OrchestratorError, RunFailed
from orchestrator.kernel.files.storage import free_text, storage_trouble
from orchestrator.kernel.reading.shapes import UNKNOWN


def unreadable(path: Path, why: str) -> BadInput:
    """The file is damaged or not a ledger, or a newer version of this program wrote it."""
    if why.endswith(UNKNOWN):
        return BadInput(
            f"{path} is not a readable ledger: {why}",
            remedy="A newer version of this program wrote it: use that version for this project.",
        )
    return BadInput(
        f"{path} is not a readable ledger: {why}",
        remedy="Move that file away; checkpoints and results do not depend on it. A campaign then needs "
        "`campaign tick ... --recover`.",
    )


def disk_full(path: Path, fault: sqlite3.OperationalError) -> OrchestratorError:
    """The ledger cannot be used now: disk full, no permission, or held by another program; or a row is damaged."""
    if "malformed JSON" in str(fault):
        return unreadable(path, "a row is no JSON")
    if (trouble := storage_trouble(fault)) is not None:
        return storage_fault(trouble, f"{path}: {fault}", free_text(path))
    return RunFailed(
        f"{path} cannot be used: {fault}",
        remedy="Free disk space, check the file's permissions, or end the program that holds it; then run the same "
        "command again. Nothing is lost.",
    )


class EarlierVersion(Exception):
    """A ledger of an earlier version was opened to be read only."""


def not_read(fault: Exception) -> str:
    """A sentence for a command that goes on without the ledger."""
    return f"the ledger cannot be read: {fault}. {getattr(fault, 'remedy', '')}".rstrip()
