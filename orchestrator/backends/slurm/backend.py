"""Sessions as batch jobs of Slurm, each in a folder on the shared file system."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from orchestrator.backends.slurm import errors
from orchestrator.backends.slurm.batch_script import COMMENT, BatchScript
from orchestrator.backends.slurm.capabilities import OWNER, capabilities_of
from orchestrator.backends.slurm.commands import Slurm
from orchestrator.backends.slurm.folder import CANCEL_NAME, SCRIPT_NAME, SUBMITTED_NAME, SessionFolder
from orchestrator.backends.slurm.listing import Job
from orchestrator.backends.slurm.login_node import LoginNode
from orchestrator.backends.slurm.observation import of_alive, of_ended, of_forgotten
from orchestrator.backends.slurm.outputs import copy_counted
from orchestrator.core.errors import NameTaken, OrchestratorError
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
from orchestrator.kernel.files.outputs import log_lines, recent_events
from orchestrator.kernel.wire import EVENTS_NAME, Ticket
from orchestrator.ports import Backend


class SlurmBackend(Backend):
    """Runs sessions as jobs of a Slurm cluster.

    Args:
        slurm: Slurm's commands.
        settings: The card's `slurm` block.
        node: Where the commands run and the folders of the sessions are.
        python: Interpreter on the cluster, words of a command line.
        now: Aware UTC time.
    """

    name = "slurm"

    def __init__(
        self,
        slurm: Slurm,
        settings: SlurmSettings,
        node: LoginNode,
        python: str,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._slurm = slurm
        self._settings = settings
        self._node = node
        self._python = python
        self._now = now

    @property
    def capabilities(self) -> Capabilities:
        """The wall limit is the card's; checkpoints are copied into the session's folder."""
        return capabilities_of(self._settings)

    def prepare(self, ticket: Ticket, script: str, checkpoints: CheckpointSet, slug: str, carrier: Carrier) -> Push:
        """The complete request. Pure."""
        far = {"ssh": self._settings.ssh} if self._settings.ssh else {}
        settings = {**far, "sbatch": dict(self._settings.options), "folder": str(self._node.root)}
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
            NotYet: The login node cannot be reached now.
        """
        with errors.refused_for_now():
            folder = self._node.look(push.slug)
            note = folder.read_submitted()
            if note is not None or folder.numbers():
                if (note or {}).get("nonce", folder.read_nonce()) != push.ticket.nonce:
                    raise NameTaken(f"{self._node.root / push.slug} already belongs to another session")
                return
            self._node.sweep()
            self._node.place(push.slug, lambda new: new.fill(push, self._script(push).text()))

    def submit(self, push: Push) -> Handle:
        """Submit the job: one request, never repeated here.

        Raises:
            NotYet: A limit of the account, or slurmctld, refuses it for now.
            OutcomeUnknown: The answer was lost; `find` shows whether the job exists.
            BadInput: Slurm refused it; its sentence is shown.
        """
        with errors.refused_for_now():
            number = self._slurm.submit(self._node.root / push.slug / SCRIPT_NAME, self._script(push).options)
        with suppress(OrchestratorError):  # the job exists; `find` sees it by its comment, and notes it then
            self._note(push.slug, push.ticket.nonce, number)
        return self._handle(push.slug)

    def find(self, ticket: Ticket, slug: str) -> Handle | None:
        """The session of this ticket: its folder names it, or a job of that name has its nonce in the comment."""
        folder = self._found(slug)
        return None if folder is None else member_of(self._handle(slug), folder.tickets(), ticket.nonce)

    def _found(self, slug: str) -> SessionFolder | None:
        """The folder of a submitted session, also if its submit was never noted; None if it was not submitted."""
        folder = self._node.look(slug)
        if folder.read_submitted() is not None:
            return folder
        nonce = folder.read_nonce()
        if not nonce:
            return None
        jobs = own_jobs(self._slurm.jobs(slug), nonce)
        if not jobs and not folder.numbers():
            return None
        self._note(slug, nonce, jobs[0].number if jobs else None)
        return self._node.look(slug)

    def _note(self, slug: str, nonce: str, job: int | None) -> None:
        """Note that the job exists; an earlier note stays."""
        note = {"nonce": nonce, "at": self._now().isoformat(), "job": job}
        self._node.write(slug, SUBMITTED_NAME, json.dumps(note))

    def read(self, slug: str) -> RemoteSession | None:
        """The session of that slug; None if none was submitted, or if another version of this program wrote it."""
        return next(iter(self.read_all(slug)), None)

    def read_all(self, slug: str) -> Sequence[RemoteSession]:
        """All sessions of that slug's job."""
        folder = self._found(slug)
        if folder is None:
            return []
        note = folder.read_submitted() or {}
        return sessions_of(self._handle(slug), folder.tickets(), begun_at=parse_timestamp(str(note.get("at"))))

    def names(self, prefix: str) -> Sequence[str]:
        """Slugs of the folders with that prefix."""
        return self._node.names(prefix)

    def recall(self, lineage_id: str) -> Sequence[RemoteSession]:
        """Sessions of a lineage that were submitted and never fetched, oldest first."""
        unfetched = {
            folder.root.name: folder
            for folder in self._node.look_all()
            if folder.starts.is_dir()
            and not folder.fetched(None).exists()
            and any(one.lineage_id == lineage_id for one in folder.tickets())
        }
        sessions = (
            one
            for slug, folder in unfetched.items()
            for one in self.read_all(slug)
            if one.ticket.lineage_id == lineage_id and not folder.fetched(one.handle.member).exists()
        )
        return sorted(sessions, key=lambda one: str(one.begun_at))

    def observe(self, handle: Handle) -> Observation:
        """The state now: by squeue, then by what the job's starts have written."""
        listed = self._slurm.jobs(handle.slug, new=False)
        folder = self._node.look(handle.slug)  # after squeue: what a job wrote before it left is in it
        nonce = folder.read_nonce()
        if not nonce:
            return Observation(state=SessionState.ABSENT, native="no folder")
        jobs = own_jobs(listed, nonce)
        if not jobs:
            return of_forgotten(folder, handle.member, self._now(), lambda: self._forbid(handle.slug))
        if (alive := of_alive(folder, jobs)) is not None:
            return alive
        if len(folder.numbers()) > 1:  # what each has written decides which one counts
            folder = self._node.outputs(handle.slug, handle.member).folder
        newest = max(jobs, key=lambda job: job.number)
        return of_ended(folder, handle.member, newest, self._slurm.exit_code(newest))

    def _forbid(self, slug: str) -> SessionFolder:
        self._node.write(slug, CANCEL_NAME, "")
        return self._node.look(slug)

    def follow(self, handle: Handle, cursor: int) -> Iterator[tuple[str, int]]:
        """New complete lines of the log after byte `cursor`."""
        folder = self._node.look(handle.slug)
        return own_lines_from(log_lines(self._node.grown(folder, folder.log), cursor), handle.member)

    def recent_events(self, handle: Handle) -> Sequence[Mapping[str, Any]]:
        """The events at the end of the event file of the latest start."""
        folder = self._node.look(handle.slug)
        numbers = folder.numbers()
        if not numbers:
            return ()
        return recent_events(self._node.grown(folder, folder.output(numbers[-1], handle.member) / EVENTS_NAME))

    def fetch(self, handle: Handle, into: Path) -> Retrieval:
        """Copy the outputs of the start that counts, and the log, beside the destination, then rename."""
        outputs = self._node.outputs(handle.slug, handle.member)
        retrieval = copy_counted(outputs, handle.member, into)
        if outputs.folder.starts.is_dir():
            for name in outputs.folder.marks_of_fetch(handle.member):
                self._node.write(handle.slug, name, "")
        return retrieval

    def cancel(self, handle: Handle, session_id: int | None = None) -> None:
        """Remove a job that waits, or ask the running session to save and leave; in a pack, all of them."""
        require_whole_kernel(handle, "stopped")
        nonce = self._node.look(handle.slug).read_nonce()
        if not nonce:
            return
        self._node.write(handle.slug, CANCEL_NAME, "")
        for job in own_jobs(self._slurm.jobs(handle.slug), nonce):
            if not job.ended:
                self._slurm.terminate(job.number)

    def _script(self, push: Push) -> BatchScript:
        return BatchScript(
            settings=self._settings,
            name=push.slug,
            nonce=push.ticket.nonce,
            folder=str(self._node.root / push.slug),
            python=self._python,
            members=len(push.sessions),
        )

    def _handle(self, slug: str) -> Handle:
        return Handle(backend=self.name, owner=OWNER, slug=slug)


def own_jobs(jobs: Sequence[Job], nonce: str) -> list[Job]:
    """Jobs of one session; a job of the same name may be another's."""
    return [job for job in jobs if job.comment.strip() == COMMENT + nonce]
