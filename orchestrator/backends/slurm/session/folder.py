"""The folder of a session on the shared file system, and what its starts left in it."""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

from orchestrator.backends.slurm.session.starts import changed, own_manifest, rank
from orchestrator.core.session.backend_types import Push
from orchestrator.core.session.spec import read_ticket
from orchestrator.kernel.files.atomic import make_folder, walk, write_json, write_text
from orchestrator.kernel.pack.record import exit_code_in_pack
from orchestrator.kernel.reading.json_text import Unreadable, read_object
from orchestrator.kernel.reading.shapes import fields, optional, require, text, whole
from orchestrator.kernel.wire import PACK_NAME, Ticket, member_folder

_SUBMITTED = fields({"nonce": text(), "at": text(), "job": optional(whole(1))}, others=True)

SCRIPT_NAME = "batch.sh"
SUBMITTED_NAME = "submitted.json"
ARRAY_NAME = "array"


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionFolder:
    """One session's folder.

    Each start of its job has an output folder of its own below `starts`, so that two processes never write the same
    one. Usually there is one start. The tasks of a job array share a folder: each has its own starts, log and inputs in
    it, and `of` shows them as those of a session alone.

    Attributes:
        root: Holds everything below; its name is the session's slug.
        silences_s: Task, or None for all -> seconds since any start has written something, by the clock of the computer
            that holds the files; None if these are here.
        task: Number of the task of an array that is shown; None for the whole folder.
    """

    root: Path
    silences_s: Mapping[int | None, float] | None = None
    task: int | None = None

    @property
    def is_array(self) -> bool:
        """Whether its sessions are tasks of a job array."""
        return (self.root / ARRAY_NAME).exists()

    def of(self, member: int | None) -> tuple[SessionFolder, int | None]:
        """What shows one session of several, and its number there: none for a task of an array, which is alone."""
        if member is None or not self.is_array:
            return self, member
        return replace(self, task=member), None

    @property
    def whole(self) -> SessionFolder:
        """The folder with all its sessions."""
        return replace(self, task=None)

    @property
    def script(self) -> Path:
        """The batch script."""
        return self.root / SCRIPT_NAME

    @property
    def kernel(self) -> Path:
        """The rendered kernel."""
        return self.root / "kernel.py"

    @property
    def log(self) -> Path:
        """Output of all starts, and Slurm's own lines."""
        return self.root / ("kernel.log" if self.task is None else f"kernel.{self.task}.log")

    @property
    def input(self) -> Path:
        """Stands for `/kaggle/input` in every start."""
        return self.root / "input"

    @property
    def nonce(self) -> Path:
        """Nonce of the session; a job with another nonce, or without this file, leaves at once."""
        return self.root / "nonce"

    def read_nonce(self) -> str:
        """That nonce; empty if there is none."""
        try:
            return self.nonce.read_text(encoding="ascii").strip()
        except (FileNotFoundError, NotADirectoryError, UnicodeDecodeError):
            return ""

    @property
    def cancel(self) -> Path:
        """Exists once the session was asked to stop: it must not start any more. That of an array is for all tasks."""
        return self.root / ("cancel" if self.task is None else f"cancel-{self.task}")

    @property
    def submitted(self) -> Path:
        """Number of the job; written after sbatch has answered."""
        return self.root / SUBMITTED_NAME

    @property
    def ticket(self) -> Path:
        """The session's ticket."""
        return self.root / "ticket.json"

    @property
    def companions(self) -> Path:
        """The tickets of a pack's other sessions; absent for a session alone."""
        return self.root / "companions.json"

    @property
    def starts(self) -> Path:
        """Holds a folder for each start, named by its number."""
        return self.root / "starts"

    def fetched(self, member: int | None) -> Path:
        """Exists once the outputs were copied into the results."""
        return self.root / ("fetched" if member is None else f"fetched-{member_folder(member)}")

    @property
    def emptied(self) -> Path:
        """The starts while they are deleted, so that their rest is never taken for outputs."""
        return self.root / "emptied"

    def fill(self, push: Push, script: str, *, array: bool = False) -> None:
        """Write everything that the session needs; its nonce last.

        Args:
            array: Whether each session of the push is a task of a job array.

        Raises:
            OSError: There is no room, or no permission.
        """
        for folder in (self.input, self.starts):
            make_folder(folder)
        if array:
            write_text(self.root / ARRAY_NAME, str(len(push.sessions)))
        for number, one in enumerate(push.sessions, 1):
            below = self.input / str(number) if array else self.input
            make_folder(below)
            mount = below / f"{push.slug}-checkpoints" / (member_folder(number) if push.companions else "")
            for entry in one.checkpoints.entries:
                destination = mount / entry.path
                destination.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(one.checkpoints.root / entry.path, destination)
        write_text(self.kernel, push.script)
        write_text(self.script, script)
        write_json(self.ticket, push.ticket.to_json())
        if push.companions:
            write_json(self.companions, {"tickets": [one.ticket.to_json() for one in push.companions]})
        write_text(self.nonce, push.ticket.nonce)

    def read_submitted(self) -> Mapping[str, Any] | None:
        """That note: None without one, empty if it is damaged."""
        try:
            note = read_object(self.submitted)
            require(_SUBMITTED, note, self.submitted.name)
        except Unreadable:
            return {} if self.submitted.exists() else None
        return note

    def tickets(self) -> tuple[Ticket, ...]:
        """The tickets of all sessions, in order; empty if there are none or they cannot be read."""
        try:
            others = read_object(self.companions)["tickets"] if self.companions.exists() else []
            plain = (read_object(self.ticket), *others)
            shown = plain if self.task is None else plain[self.task - 1 : self.task]
            return tuple(map(read_ticket, shown))
        except (ValueError, KeyError, TypeError):
            return ()

    @property
    def begun(self) -> bool:
        """Whether any start has begun."""
        return self.starts.is_dir() and any(one.name.startswith(self._prefix) for one in self.starts.iterdir())

    def numbers(self) -> list[int]:
        """Numbers of the starts, in order; none for an array as a whole."""
        if not self.starts.is_dir():
            return []
        named = (one.name for one in self.starts.iterdir() if one.name.startswith(self._prefix))
        numbers = (name.removeprefix(self._prefix) for name in named)
        return sorted(int(number) for number in numbers if number.isascii() and number.isdigit())

    @property
    def _prefix(self) -> str:
        """Of the names of the starts' folders."""
        return "" if self.task is None else f"{self.task}-"

    def output(self, number: int, member: int | None) -> Path:
        """Output folder of a start, of one session of a pack in it."""
        return self.starts / self.outputs(member).replace("*", str(number), 1)

    def outputs(self, member: int | None) -> str:
        """Output folders of all starts, a pattern below the folder of the starts."""
        return f"{self._prefix}*/working" + ("" if member is None else f"/{member_folder(member)}")

    def counted(self, member: int | None) -> Path | None:
        """Output folder of the start that counts; None if the job never started.

        That is one with this session's manifest; of several the one with the most steps, then the earliest. Without a
        manifest it is the one with the newest checkpoint.
        """
        numbers = self.numbers()
        if not numbers:
            return None
        tickets = self.tickets()
        ticket = tickets[(member or 1) - 1] if len(tickets) >= (member or 1) else None
        outputs = [self.output(number, member) for number in numbers]
        return max(outputs, key=lambda output: rank(output, ticket))  # of equal ones the first

    def exit_code(self, output: Path, member: int | None) -> int | None:
        """Exit code that a start has written itself, in its manifest or in the record of its pack."""
        if member is not None and (code := exit_code_in_pack(output.parent / PACK_NAME, member)) is not None:
            return code
        manifest = own_manifest(output, None)
        return manifest.exit_code if manifest else None

    def silent_s(self) -> float:
        """Seconds since any start has written something, or the log has grown."""
        if self.silences_s is not None:
            return self.silences_s.get(self.task, math.inf)
        outputs = [self.output(number, None) for number in self.numbers()]
        below = (Path(place, name) for output in outputs for place, *names in walk(output) for name in chain(*names))
        paths = [self.log, *outputs, *below]
        return time.time() - max((moment for path in paths if (moment := changed(path)) is not None), default=0.0)

    def marks_of_fetch(self, member: int | None) -> list[str]:
        """Names of the files that note a fetch: the session's, and in a pack the job's once all of it was fetched."""
        names = [self.fetched(member).name]
        if member is not None:
            others = (number for number in range(1, len(self.tickets()) + 1) if number != member)
            names += [self.fetched(None).name] if all(self.fetched(number).exists() for number in others) else []
        return names
