"""Runs the sessions of a pack side by side, and the rest of them as places become free."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from orchestrator.kernel.files.atomic import write_json
from orchestrator.kernel.files.storage import is_full
from orchestrator.kernel.files.workspace import Workspace
from orchestrator.kernel.outcome import EXIT_CODES, KernelEnding
from orchestrator.kernel.pack.capacity import Capacity, measure
from orchestrator.kernel.pack.processes import Member, Running, start
from orchestrator.kernel.session.boot import echo
from orchestrator.kernel.session.stop_flag import StopFlag
from orchestrator.kernel.wire import MANIFEST_NAME, NO_MANIFEST, PACK_NAME, member_folder, member_mark

_LOOK_EVERY_S = 0.1


def main(tickets: Sequence[Mapping[str, Any]], places: Sequence[Path], *, scratch: Path) -> int:
    """Run the sessions of a rendered script that holds several; the script's last call.

    Args:
        tickets: The tickets as embedded in the script.
        places: For each, a folder with its own copy of the code and the checkpoints that the script contained.
        scratch: Folder for temporary files.

    Returns:
        Exit code of the kernel: 0 if every session ended well, else that of the first one that did not.
    """
    members = [
        Member(number=number, ticket=one, place=at)
        for number, (one, at) in enumerate(zip(tickets, places, strict=True), 1)
    ]
    stop = StopFlag()
    stop.listen()
    working = Workspace.from_environment(scratch=scratch).working
    return Pack(members, working, capacity=measure(), stop=stop, echo=echo).run()


class Pack:
    """The sessions of one kernel.

    Each has its own process, folder and manifest: a failure of one does not touch the others.

    Args:
        working: The kernel's output folder.
        capacity: Of this machine.
        stop: Once it is requested, every session is asked to stop and no further one starts.
        echo: Receives each line of the log.
        monotonic: Seconds.
        sleep: Waits so many seconds.
    """

    def __init__(
        self,
        members: Sequence[Member],
        working: Path,
        *,
        capacity: Capacity,
        stop: StopFlag,
        echo: Callable[[str], None],
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._working = working
        self._capacity = capacity
        self._stop = stop
        self._echo = _one_at_a_time(echo)
        self._monotonic, self._sleep = monotonic, sleep
        self._begun_s = monotonic()
        self._waiting = deque(members)
        self._running: list[Running] = []
        self._width = capacity.side_by_side(one.device for one in members)
        self._free = list(range(self._width))
        self._rows: dict[int, dict[str, Any]] = {one.number: {"nonce": one.ticket["nonce"]} for one in members}

    def run(self) -> int:
        """Run every session to its end; returns the exit code of the kernel."""
        self._echo(f"{len(self._rows)} sessions in this kernel, {self._width} side by side.")
        try:
            while self._waiting or self._running:
                self._advance()
                self._sleep(_LOOK_EVERY_S)
        finally:
            for one in self._running:
                one.process.kill()  # only if this process fails: they must not outlive it
            self._record()
        return next(filter(None, (row["exit_code"] for row in self._rows.values())), 0)

    def _advance(self) -> None:
        """Start what has a place, pass a stop on, and note what has ended."""
        if self._stop.requested:
            self._drop_waiting()
            for one in self._running:
                one.ask_to_stop()
        while self._waiting and self._free:
            self._start(self._waiting.popleft())
        for one in list(self._running):
            if (code := one.exit_code()) is not None:
                self._running.remove(one)
                self._free = sorted([*self._free, one.slot])
                self._note_end(one.member, code)

    def _start(self, member: Member) -> None:
        slot, gpus = self._free.pop(0), self._capacity.gpus
        try:
            running = start(
                member,
                slot=slot,
                gpu=gpus[slot] if slot < len(gpus) else None,
                limit_s=self._limit_s(member),
                echo=self._echo,
                now_s=self._elapsed_s,
            )
        except OSError as fault:
            self._free = sorted([*self._free, slot])
            self._echo(f"{member_mark(member.number)}The session could not be started: {fault}")
            self._note_end(member, EXIT_CODES[KernelEnding.DISK_FULL] if is_full(fault) else 1)
            return
        self._running.append(running)
        self._rows[member.number]["began_s"] = round(running.began_s, 3)
        self._record()

    def _limit_s(self, member: Member) -> float | None:
        """The member's part of the common deadline: its place is shared with the sessions that still wait."""
        if member.deadline_s is None:
            return None
        turns = math.ceil((1 + len(self._waiting)) / self._width)
        return max(0.0, member.deadline_s - self._elapsed_s) / turns

    def _drop_waiting(self) -> None:
        for member in self._waiting:
            self._echo(f"{member_mark(member.number)}Not started: the kernel was asked to stop.")
            self._rows[member.number]["exit_code"] = EXIT_CODES[KernelEnding.STOPPED]
        self._waiting.clear()

    def _note_end(self, member: Member, code: int) -> None:
        self._rows[member.number] |= {"exit_code": code, "ended_s": round(self._elapsed_s, 3)}
        if not (self._working / member_folder(member.number) / MANIFEST_NAME).exists():
            self._echo(member_mark(member.number) + NO_MANIFEST.format(code=code))
        self._record()

    def _record(self) -> None:
        """Write how far the sessions are: the end of one that wrote no manifest is known from this file alone."""
        members = {member_folder(number): row for number, row in self._rows.items()}
        try:
            write_json(self._working / PACK_NAME, {"side_by_side": self._width, "members": members})
        except OSError as fault:
            if not is_full(fault):
                raise
            self._echo(f"No room to write {PACK_NAME}: {fault}")

    @property
    def _elapsed_s(self) -> float:
        return self._monotonic() - self._begun_s


def _one_at_a_time(echo: Callable[[str], None]) -> Callable[[str], None]:
    """`echo` for several threads: an unbuffered `print` writes a line and its end separately, so lines would mix."""
    turn = threading.Lock()

    def write(line: str) -> None:
        with turn:
            echo(line)

    return write
