"""Sessions as batch jobs of Slurm, each in a folder on the shared file system."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from orchestrator.backends.slurm import states
from orchestrator.backends.slurm.batch_script import COMMENT, BatchScript
from orchestrator.backends.slurm.commands import Job, Slurm
from orchestrator.backends.slurm.folder import SessionFolder, sweep
from orchestrator.backends.slurm.observation import LOST_AFTER_S, of_alive, of_ended, of_forgotten
from orchestrator.backends.slurm.outputs import fetch_outputs
from orchestrator.core.errors import NameTaken
from orchestrator.core.section.slurm import SlurmSettings
from orchestrator.core.session.backend_types import (
    Carrier,
    CheckpointSet,
    Handle,
    Observation,
    Push,
    RemoteSession,
    Retrieval,
    SessionState,
)
from orchestrator.core.session.capabilities import Capabilities
from orchestrator.core.session.pack import member_of, own_lines_from, require_whole_kernel, sessions_of
from orchestrator.core.timestamps import parse_timestamp
from orchestrator.kernel.files.outputs import log_lines, recent_events, remove_tree
from orchestrator.kernel.wire import EVENTS_NAME, Ticket
from orchestrator.ports import Backend

OWNER = "slurm"

LOOK_EVERY_S = (5.0, 60.0)
"""Each look runs squeue, which all users of a cluster share."""

VISIBILITY_S = 60.0
"""How long a submit whose answer was lost may stay invisible: several times Slurm's own limit for a message (10 s)."""


class SlurmBackend(Backend):
    """Runs sessions as jobs of a Slurm cluster.

    Args:
        slurm: Slurm's commands.
        settings: The card's `slurm` block.
        root: Folder of all sessions, absolute, on a file system that this computer and the cluster's nodes share.
        python: Interpreter on the cluster, words of a command line.
        now: Aware UTC time.
    """

    name = "slurm"

    def __init__(
        self,
        slurm: Slurm,
        settings: SlurmSettings,
        root: Path,
        python: str,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._slurm = slurm
        self._settings = settings
        self._root = root
        self._python = python
        self._now = now

    @property
    def capabilities(self) -> Capabilities:
        """The wall limit is the card's; checkpoints are copied into the session's folder."""
        settings = self._settings
        return Capabilities(
            owner=OWNER,
            device=", ".join(
                ("Slurm", *filter(None, (settings.partition, settings.gres)), f"{settings.wall_s / 60:.0f} min a job")
            ),
            max_script_bytes=64_000_000,
            max_wall_s=settings.longest_session_s,
            look_every_s=LOOK_EVERY_S,
            can_cancel=True,
            carriers=(Carrier.DATASET,),
            runtime_versions={},
            absent_patience_s=LOST_AFTER_S,
            visibility_s=VISIBILITY_S,
            remembers=True,
            cores=settings.cpus,
            gpus=settings.gpus,
        )

    def prepare(self, ticket: Ticket, script: str, checkpoints: CheckpointSet, slug: str, carrier: Carrier) -> Push:
        """The complete request. Pure."""
        settings = {"sbatch": dict(self._settings.options), "folder": str(self._root)}
        return Push(
            slug=slug,
            owner=OWNER,
            script=script,
            ticket=ticket,
            carrier=carrier,
            checkpoints=checkpoints,
            settings=settings,
        )

    def stage(self, push: Push) -> None:
        """Create the session's folder. Repeatable until the session is submitted.

        Raises:
            NameTaken: The folder of that slug belongs to another session.
            OSError: The folder cannot be written; it is removed again.
        """
        folder = self._folder(push.slug)
        note = folder.read_submitted()
        if note is not None or folder.numbers():
            if (note or {}).get("nonce", _text(folder.nonce)) != push.ticket.nonce:
                raise NameTaken(f"{folder.root} already belongs to another session")
            return
        sweep(self._root)
        if folder.root.exists():
            remove_tree(folder.root)
        try:
            folder.fill(push, self._script(push).text())
        except OSError:
            remove_tree(folder.root, ignore_errors=True)  # free the disk space again
            raise

    def submit(self, push: Push) -> Handle:
        """Submit the job: one request, never repeated here.

        Raises:
            NotYet: A limit of the account, or slurmctld, refuses it for now.
            OutcomeUnknown: The answer was lost; `find` shows whether the job exists.
            BadInput: Slurm refused it; its sentence is shown.
        """
        folder = self._folder(push.slug)
        number = self._slurm.submit(folder.script, self._script(push).options)
        folder.note_submitted(push.ticket.nonce, number, self._now().isoformat())
        return self._handle(push.slug)

    def find(self, ticket: Ticket, slug: str) -> Handle | None:
        """The session of this ticket: its folder names it, or a job of that name has its nonce in the comment."""
        folder = self._folder(slug)
        note = folder.read_submitted()
        if note is None and not self._adopt(folder, slug):
            return None
        return member_of(self._handle(slug), folder.tickets(), ticket.nonce)

    def _adopt(self, folder: SessionFolder, slug: str) -> bool:
        """Whether a job of a folder without a note was submitted all the same; notes it then."""
        nonce = _text(folder.nonce)
        if not nonce:
            return False
        jobs = self._jobs(slug, nonce)
        if not jobs and not folder.numbers():
            return False
        folder.note_submitted(nonce, jobs[0].number if jobs else None, self._now().isoformat())
        return True

    def read(self, slug: str) -> RemoteSession | None:
        """The session of that slug; None if none was submitted, or if another version of this program wrote it."""
        return next(iter(self.read_all(slug)), None)

    def read_all(self, slug: str) -> Sequence[RemoteSession]:
        """All sessions of that slug's job."""
        folder = self._folder(slug)
        if folder.read_submitted() is None and not self._adopt(folder, slug):
            return []
        note = folder.read_submitted() or {}
        return sessions_of(self._handle(slug), folder.tickets(), begun_at=parse_timestamp(str(note.get("at"))))

    def names(self, prefix: str) -> Sequence[str]:
        """Slugs of the folders with that prefix."""
        return [path.name for path in self._root.glob(f"{prefix}*")]

    def recall(self, lineage_id: str) -> Sequence[RemoteSession]:
        """Sessions of a lineage that were submitted and never fetched, oldest first."""
        unfetched = [
            slug
            for slug in self.names("")
            if (folder := self._folder(slug)).starts.is_dir()
            and not folder.fetched(None).exists()
            and any(one.lineage_id == lineage_id for one in folder.tickets())
        ]
        sessions = (one for slug in unfetched for one in self.read_all(slug) if one.ticket.lineage_id == lineage_id)
        return sorted((one for one in sessions if not self._was_fetched(one.handle)), key=lambda one: str(one.begun_at))

    def _was_fetched(self, handle: Handle) -> bool:
        return self._folder(handle.slug).fetched(handle.member).exists()

    def observe(self, handle: Handle) -> Observation:
        """The state now: by squeue, then by what the job's starts have written."""
        folder = self._folder(handle.slug)
        nonce = _text(folder.nonce)
        if not nonce:
            return Observation(state=SessionState.ABSENT, native="no folder")
        jobs = self._jobs(handle.slug, nonce)
        if not jobs:
            return of_forgotten(folder, handle.member, self._now())
        if (alive := of_alive(folder, jobs)) is not None:
            return alive
        newest = max(jobs, key=lambda job: job.number)
        return of_ended(folder, handle.member, newest, self._slurm.exit_code(newest.number))

    def follow(self, handle: Handle, cursor: int) -> Iterator[tuple[str, int]]:
        """New complete lines of the log after byte `cursor`."""
        return own_lines_from(log_lines(self._folder(handle.slug).log, cursor), handle.member)

    def recent_events(self, handle: Handle) -> Sequence[Mapping[str, Any]]:
        """The events at the end of the event file of the latest start."""
        folder = self._folder(handle.slug)
        numbers = folder.numbers()
        return recent_events(folder.output(numbers[-1], handle.member) / EVENTS_NAME) if numbers else ()

    def fetch(self, handle: Handle, into: Path) -> Retrieval:
        """Copy the outputs of the start that counts, and the log, beside the destination, then rename."""
        return fetch_outputs(self._folder(handle.slug), handle.member, into)

    def cancel(self, handle: Handle, session_id: int | None = None) -> None:
        """Remove a job that waits, or ask the running session to save and leave; in a pack, all of them."""
        require_whole_kernel(handle, "stopped")
        folder = self._folder(handle.slug)
        nonce = _text(folder.nonce)
        if not nonce:
            return
        folder.cancel.touch()
        for job in self._jobs(handle.slug, nonce):
            if states.STATES.get(job.state) is not SessionState.ENDED:
                self._slurm.terminate(job.number)

    def _jobs(self, slug: str, nonce: str) -> list[Job]:
        """Jobs of that session; another user may have jobs of the same name."""
        return [job for job in self._slurm.jobs(slug) if job.comment.strip() == COMMENT + nonce]

    def _script(self, push: Push) -> BatchScript:
        return BatchScript(
            settings=self._settings,
            name=push.slug,
            nonce=push.ticket.nonce,
            folder=str(self._folder(push.slug).root),
            python=self._python,
            members=len(push.sessions),
        )

    def _folder(self, slug: str) -> SessionFolder:
        return SessionFolder(root=self._root / slug)

    def _handle(self, slug: str) -> Handle:
        return Handle(backend=self.name, owner=OWNER, slug=slug)


def _text(path: Path) -> str:
    """Content of a small file; empty if there is none."""
    try:
        return path.read_text(encoding="ascii").strip()
    except (FileNotFoundError, NotADirectoryError, UnicodeDecodeError):
        return ""
