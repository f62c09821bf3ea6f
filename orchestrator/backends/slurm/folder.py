"""The folder of a session on the shared file system, and what its starts left in it."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from orchestrator.core.session.backend_types import Push
from orchestrator.core.session.spec import read_ticket
from orchestrator.kernel.checkpoint.survey import survey_checkpoints
from orchestrator.kernel.files.atomic import make_folder, walk, write_json, write_text
from orchestrator.kernel.files.outputs import remove_tree
from orchestrator.kernel.pack.record import exit_code_in_pack
from orchestrator.kernel.reading.json_text import Unreadable, read_object
from orchestrator.kernel.reading.shapes import fields, optional, require, text, whole
from orchestrator.kernel.session.manifest import Manifest, read_manifest
from orchestrator.kernel.wire import PACK_NAME, Ticket, member_folder, models_path

_SUBMITTED = fields({"nonce": text(), "at": text(), "job": optional(whole(1))}, others=True)
KEPT_FOLDERS = 3

SCRIPT_NAME = "batch.sh"
SUBMITTED_NAME = "submitted.json"
CANCEL_NAME = "cancel"


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionFolder:
    """One session's folder.

    Each start of its job has an output folder of its own below `starts`, so that two processes never write the same
    one. Usually there is one start.

    Attributes:
        root: Holds everything below; its name is the session's slug.
        silence_s: Seconds since any start has written something, by the clock of the computer that holds the files;
            None if these are here.
    """

    root: Path
    silence_s: float | None = None

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
        return self.root / "kernel.log"

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
        """Exists once the session was asked to stop: it must not start any more."""
        return self.root / CANCEL_NAME

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

    def fill(self, push: Push, script: str) -> None:
        """Write everything that the session needs; its nonce last.

        Raises:
            OSError: There is no room, or no permission.
        """
        for folder in (self.input, self.starts):
            make_folder(folder)
        for number, one in enumerate(push.sessions, 1):
            mount = self.input / f"{push.slug}-checkpoints" / (member_folder(number) if push.companions else "")
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
            return tuple(read_ticket(plain) for plain in (read_object(self.ticket), *others))
        except (ValueError, KeyError, TypeError):
            return ()

    def numbers(self) -> list[int]:
        """Numbers of the starts, in order."""
        if not self.starts.is_dir():
            return []
        return sorted(int(one.name) for one in self.starts.iterdir() if one.name.isascii() and one.name.isdigit())

    def output(self, number: int, member: int | None) -> Path:
        """Output folder of a start, of one session of a pack in it."""
        working = self.starts / str(number) / "working"
        return working if member is None else working / member_folder(member)

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
        return max(outputs, key=lambda output: _rank(output, ticket))  # of equal ones the first

    def exit_code(self, output: Path, member: int | None) -> int | None:
        """Exit code that a start has written itself, in its manifest or in the record of its pack."""
        if member is not None and (code := exit_code_in_pack(output.parent / PACK_NAME, member)) is not None:
            return code
        manifest = own_manifest(output, None)
        return manifest.exit_code if manifest else None

    def silent_s(self) -> float:
        """Seconds since any start has written something, or the log has grown."""
        if self.silence_s is not None:
            return self.silence_s
        outputs = [self.output(number, None) for number in self.numbers()]
        below = (Path(place, name) for output in outputs for place, *names in walk(output) for name in chain(*names))
        paths = [self.log, *outputs, *below]
        return time.time() - max((moment for path in paths if (moment := _changed(path)) is not None), default=0.0)

    def marks_of_fetch(self, member: int | None) -> list[str]:
        """Names of the files that note a fetch: the session's, and in a pack the job's once all of it was fetched."""
        names = [self.fetched(member).name]
        if member is not None:
            others = (number for number in range(1, len(self.tickets()) + 1) if number != member)
            names += [self.fetched(None).name] if all(self.fetched(number).exists() for number in others) else []
        return names


def own_manifest(output: Path, ticket: Ticket | None) -> Manifest | None:
    """The manifest in an output folder; None if there is none, it is damaged, or it is another session's."""
    try:
        manifest = read_manifest(output)
    except ValueError:
        return None  # after the fetch a damaged manifest is reported
    foreign = ticket is not None and manifest is not None and manifest.stamp.get("nonce") != ticket.nonce
    return None if foreign else manifest


def _rank(output: Path, ticket: Ticket | None) -> tuple[bool, int]:
    manifest = own_manifest(output, ticket)
    if manifest is not None:
        return True, manifest.outcome.steps_done or 0
    scenario = ticket.spec.get("scenario") if ticket else None
    if ticket is None or scenario is None:
        return False, 0
    latest = survey_checkpoints(models_path(output, ticket.section_dir), str(scenario)).latest
    return False, latest.steps if latest else 0


def _changed(path: Path) -> float | None:
    try:
        return path.lstat().st_mtime
    except OSError:
        return None  # not there yet, or deleted meanwhile


def sweep(root: Path) -> None:
    """Delete the outputs of sessions that were fetched, except the last three; each completely or not at all.

    The small files stay: they show that the session existed, so its slug is never used again.

    Args:
        root: Folder of all sessions.
    """
    moments = {folder: moment for folder in _folders(root) if (moment := _changed(folder.fetched(None))) is not None}
    for folder in sorted(moments, key=lambda one: moments[one])[:-KEPT_FOLDERS]:
        if folder.starts.exists():
            folder.starts.rename(folder.emptied)
        for rest in (folder.emptied, folder.input):
            remove_tree(rest, ignore_errors=True)
        if not folder.emptied.exists():
            folder.fetched(None).unlink(missing_ok=True)


def _folders(root: Path) -> Iterator[SessionFolder]:
    return (SessionFolder(root=path) for path in root.iterdir()) if root.is_dir() else iter(())
