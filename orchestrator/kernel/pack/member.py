"""One session of a pack: the process that runs it, exactly as a session alone."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

from orchestrator.kernel.reading.json_text import read_object
from orchestrator.kernel.session.boot import main
from orchestrator.kernel.wire import member_folder

ORDER_NAME = "order.json"
CODE, CHECKPOINTS = "code", "checkpoints"
"""Folders of a member's own copy of the code, and of the checkpoints that the script carried for it."""


def run_member(place: Path) -> int:
    """Run the session of a member.

    Args:
        place: The member's folder in the scratch space, with its code, its checkpoints and its order.

    Returns:
        Exit code of the session.
    """
    threading.Thread(target=_leave_with_the_pack, daemon=True).start()
    order = read_object(place / ORDER_NAME, halves=True)
    return main(
        order["ticket"],
        place / CODE,
        scratch=place,
        extra_inputs=(place / CHECKPOINTS,),
        folder=member_folder(order["number"]),
        limit_s=order["limit_s"],
    )


def _leave_with_the_pack() -> None:
    """End this process when the pack's process is gone, even if that was killed: its end closes the pipe."""
    try:
        while os.read(sys.stdin.fileno(), 4096):
            pass
    finally:
        os._exit(1)
