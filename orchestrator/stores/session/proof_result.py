"""Reads the result of a session of `prove-resume`: the final state of its trainings."""

from __future__ import annotations

import json
import sys
from array import array
from pathlib import Path

from orchestrator.core.diagnostics.resume_proof import End
from orchestrator.core.errors import RunFailed
from orchestrator.kernel.wire import PROOF_NAME, Ticket, models_path


def read_ends(folder: Path, ticket: Ticket) -> tuple[End, ...]:
    """Read the final states in a results folder whose manifest has been verified.

    Raises:
        RunFailed: There are none, or another session wrote them.
    """
    metrics = models_path(folder, ticket.section_dir).parent / "metrics"
    try:
        plain = json.loads((metrics / PROOF_NAME).read_text(encoding="utf-8"))
        if plain["stamp"] != ticket.stamp():
            raise RunFailed(f"{metrics / PROOF_NAME} was written by another session", remedy=_REMEDY)
        return tuple(
            End(name=row["name"], steps=row["steps"], items=row["items"], weights=_doubles(metrics / row["weights"]))
            for row in plain["ends"]
        )
    except (OSError, ValueError, KeyError, TypeError) as fault:
        raise RunFailed(f"{folder} holds no readable proof result: {fault}", remedy=_REMEDY) from fault


_REMEDY = "Read the session's log (kernel.log in that folder), then run the same command again."


def _doubles(path: Path) -> array[float]:
    """Read a file of little-endian doubles."""
    values = array("d")
    values.frombytes(path.read_bytes())
    if sys.byteorder == "big":
        values.byteswap()
    return values
