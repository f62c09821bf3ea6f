"""Starts one session of a pack as its own process, and passes its output on to the kernel's log."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from orchestrator.kernel.environment.processor import ONE_THREAD
from orchestrator.kernel.pack.capacity import VISIBLE_GPUS
from orchestrator.kernel.pack.member import CODE, ORDER_NAME
from orchestrator.kernel.wire import member_mark

_RUN = """
import pathlib, sys
sys.path.insert(0, sys.argv[1])
from orchestrator.kernel.pack.member import run_member
sys.exit(run_member(pathlib.Path(sys.argv[2])))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One session of a pack.

    Attributes:
        number: From 1 on, in the order of the pack.
        ticket: As embedded in the script.
        place: Its folder in the scratch space, with its copy of the code and its checkpoints.
    """

    number: int
    ticket: Mapping[str, Any]
    place: Path

    @property
    def deadline_s(self) -> float | None:
        """Wall seconds of its spec, None without a limit."""
        limit_s = self.ticket["spec"].get("deadline_s")
        return None if limit_s is None else float(limit_s)

    @property
    def device(self) -> str:
        """The device in its spec."""
        return str(self.ticket["spec"].get("device", "cpu"))


@dataclass(slots=True, kw_only=True)
class Running:
    """A member whose process was started.

    Attributes:
        slot: Its place on the machine; no two running members have the same.
    """

    member: Member
    slot: int
    process: subprocess.Popen[bytes]
    output: threading.Thread
    began_s: float
    asked: bool = field(default=False)

    def ask_to_stop(self) -> None:
        """Ask its session to save and stop, once."""
        if not self.asked:
            self.asked = True
            self.process.terminate()

    def exit_code(self) -> int | None:
        """Exit code once it has ended and all its output is in the log; a signal counts as 128 plus its number."""
        code = self.process.poll()
        if code is None:
            return None
        self.output.join(timeout=5.0)  # a grandchild may still hold the pipe
        if self.process.stdin is not None:
            self.process.stdin.close()
        return 128 - code if code < 0 else code


def start(
    member: Member, *, slot: int, gpu: str | None, limit_s: float | None, echo: Callable[[str], None], now_s: float
) -> Running:
    """Start a member.

    Args:
        gpu: The only GPU that it sees, None for what the kernel sees.
        limit_s: Wall seconds that it may use, None without a limit.
        echo: Receives each line of its output, with its number in front.
        now_s: The time now on the pack's clock.

    Raises:
        OSError: The process cannot be started, or there is no room for its order.
    """
    order = {"ticket": dict(member.ticket), "number": member.number, "limit_s": limit_s}
    (member.place / ORDER_NAME).write_text(json.dumps(order), encoding="utf-8")
    process = subprocess.Popen(
        [sys.executable, *_flags(), "-u", "-X", "utf8", "-c", _RUN, str(member.place / CODE), str(member.place)],
        stdin=subprocess.PIPE,  # closed by the system when this process ends, however it ends
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, **ONE_THREAD, **({} if gpu is None else {VISIBLE_GPUS: gpu})},
    )
    output = threading.Thread(target=_pass_on, args=(process, member_mark(member.number), echo), daemon=True)
    output.start()
    return Running(member=member, slot=slot, process=process, output=output, began_s=now_s)


def _flags() -> list[str]:
    """The flags of this interpreter that decide where it looks for modules, and that it writes no byte code."""
    chosen = {"-I": sys.flags.isolated, "-S": sys.flags.no_site, "-B": True}
    return [flag for flag, is_set in chosen.items() if is_set]


def _pass_on(process: subprocess.Popen[bytes], mark: str, echo: Callable[[str], None]) -> None:
    if process.stdout is None:
        return
    with process.stdout as lines:
        for line in lines:
            echo(mark + line.decode("utf-8", "replace").rstrip("\r\n"))
