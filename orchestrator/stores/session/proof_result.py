"""Reads the result of a session of `prove-resume`: the final state of its trainings."""

from __future__ import annotations

import sys
from array import array
from pathlib import Path

from orchestrator.core.diagnostics.resume_proof import End
from orchestrator.core.errors import RunFailed
from orchestrator.kernel.reading.json_text import read_object
from orchestrator.kernel.reading.shapes import COUNT, PLAIN_NAME, TABLE, TEXT, fields, items, mapping, require
from orchestrator.kernel.wire import PROOF_NAME, Ticket, models_path


def read_ends(folder: Path, ticket: Ticket) -> tuple[End, ...]:
    """Read the final states in a results folder whose manifest has been verified.

    Raises:
        RunFailed: There are none, or another session wrote them.
    """
    metrics = models_path(folder, ticket.section_dir).parent / "metrics"
    try:
        plain = read_object(metrics / PROOF_NAME)
        require(_RESULT, plain, PROOF_NAME)
        if plain["stamp"] != ticket.stamp():
            raise RunFailed(f"{metrics / PROOF_NAME} was written by another session", remedy=_REMEDY)
        return tuple(
            End(name=row["name"], steps=row["steps"], items=row["items"], weights=_doubles(metrics / row["weights"]))
            for row in plain["ends"]
        )
    except (OSError, ValueError) as fault:
        raise RunFailed(f"{folder} holds no readable proof result: {fault}", remedy=_REMEDY) from fault


_RESULT = fields(
    {
        "stamp": TABLE,
        "ends": items(
            fields({"name": TEXT, "steps": COUNT, "items": mapping(TEXT), "weights": PLAIN_NAME}, others=True)
        ),
    },
    others=True,
)
_REMEDY = "Read the session's log (kernel.log in that folder), then run the same command again."


def _doubles(path: Path) -> array[float]:
    """Read a file of little-endian doubles."""
    values = array("d")
    values.frombytes(path.read_bytes())
    if sys.byteorder == "big":
        values.byteswap()
    return values
