"""A wall of sessions that no speed of the computer moves: a session leaves after a number of its own looks.

A session asks at each safe boundary whether it must leave. By the clock, a busy computer would spend a short session on
its start, and the training would never end.
"""

from __future__ import annotations

from pathlib import Path

_WALL = """
import time
from pathlib import Path

from orchestrator.kernel.session.context import SessionContext

LOOKS, GATE = [], {gate!r}


def _must_leave(context):
    LOOKS.append(1)
    if GATE and context.ticket.session == 2 and len(LOOKS) == {middle}:
        Path(GATE).with_name("waits").touch()
        while not Path(GATE).exists() and not context.stop.requested:
            time.sleep(0.02)
    return len(LOOKS) > {looks} or context.stop.requested


SessionContext.must_leave = property(_must_leave)
"""


def put_wall(code: Path, looks: int, *, gate: Path | None = None, middle: int = 0) -> None:
    """Give the code of a session a wall.

    Args:
        code: A script or the module of an entry point.
        looks: The session leaves at the look after this one.
        gate: A file without which the second session waits in its middle; while it waits, `waits` lies beside the gate.
        middle: Number of the look at which it waits.
    """
    wall = _WALL.format(looks=looks, gate=str(gate or ""), middle=middle)
    text = code.read_text("utf-8")
    if code.name == "entry.py":
        code.write_text(f"{text}\n{wall}", "utf-8")
    else:
        code.write_text(f"{wall}\n{text}", "utf-8")
