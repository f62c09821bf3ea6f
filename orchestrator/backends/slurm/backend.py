"""Sessions as batch jobs of Slurm, each in a folder on the shared file system."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from orchestrator.backends.slurm import errors
from orchestrator.backends.slurm.capabilities import OWNER, capabilities_of
from orchestrator.backends.slurm.commands import Slurm
from orchestrator.backends.slurm.listing import Job
from orchestrator.backends.slurm.login_node import LoginNode
from orchestrator.backends.slurm.observation import most_alive, of_alive, of_ended, of_forgotten
from orchestrator.backends.slurm.session.batch_script import BatchScript
from orchestrator.backends.slurm.session.folder import SCRIPT_NAME, SessionFolder
from orchestrator.backends.slurm.session.outputs import copy_counted
from orchestrator.backends.slurm.submitted import Submitted, handle_of, own_jobs
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
from orchestrator.core.session.pack import own_lines_from, require_whole_kernel
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
        self._submitted = Submitted(slurm, node, now)

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
            if note is not None or folder.begun:
                if (note or {}).get("nonce", folder.read_nonce()) != push.ticket.nonce:
                    raise NameTaken(f"{self._node.root / push.slug} already belongs to another session")
                return
            self._node.sweep()
            script = self._script(push)
            self._node.place(push.slug, lambda new: new.fill(push, script.text(), array=script.array))

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
            self._submitted.note(push.slug, push.ticket.nonce, number)
        return handle_of(push.slug)

    def find(self, ticket: Ticket, slug: str) -> Handle | None:
        """The session of this ticket: its folder names it, or a job of that name has its nonce in the comment."""
        return self._submitted.find(ticket, slug)

    def read(self, slug: str) -> RemoteSession | None:
        """The session of that slug; None if none was submitted, or if another version of this program wrote it."""
        return next(iter(self.read_all(slug)), None)

    def read_all(self, slug: str) -> Sequence[RemoteSession]:
        """All sessions of that slug's job."""
        return self._submitted.read_all(slug)

    def names(self, prefix: str) -> Sequence[str]:
        """Slugs of the folders with that prefix."""
        return self._node.names(prefix)

    def recall(self, lineage_id: str) -> Sequence[RemoteSession]:
        """Sessions of a lineage that were submitted and never fetched, oldest first."""
        return self._submitted.recall(lineage_id)

    def observe(self, handle: Handle) -> Observation:
        """The state now: by squeue, then by what the job's starts have written."""
        listed = self._slurm.jobs(handle.slug, str(handle))
        folder = self._node.look(handle.slug)  # after squeue: what a job wrote before it left is in it
        nonce = folder.read_nonce()
        if not nonce:
            return Observation(state=SessionState.ABSENT, native="no folder")
        jobs = own_jobs(listed, nonce)
        if handle.member is not None or not folder.is_array:
            return self._observed(folder, handle, jobs)
        members = range(1, max(len(folder.tickets()), 1) + 1)
        return most_alive([self._observed(folder, replace(handle, member=one), jobs) for one in members])

    def _observed(self, folder: SessionFolder, handle: Handle, jobs: Sequence[Job]) -> Observation:
        """The state of one session, or of a pack that is one job."""
        shown, member = folder.of(handle.member)
        # Tasks that were removed together before they started are listed as one job, without their numbers.
        own = [job for job in jobs if job.task == shown.task] or [job for job in jobs if job.task is None]
        if not own:
            return of_forgotten(shown, member, self._now(), lambda: self._forbid(shown))
        if (alive := of_alive(shown, own)) is not None:
            return alive
        if len(shown.numbers()) > 1:  # what each has written decides which one counts
            shown = self._node.outputs(handle.slug, handle.member).folder
        newest = max(own, key=lambda job: job.number)
        return of_ended(shown, member, newest, self._slurm.exit_code(newest))

    def _forbid(self, shown: SessionFolder) -> SessionFolder:
        slug = shown.root.name
        self._node.write(slug, shown.cancel.name, "")
        return self._node.look(slug).of(shown.task)[0]

    def follow(self, handle: Handle, cursor: int) -> Iterator[tuple[str, int]]:
        """New complete lines of the log after byte `cursor`."""
        folder, member = self._node.look(handle.slug).of(handle.member)
        return own_lines_from(log_lines(self._node.grown(folder, folder.log), cursor), member)

    def recent_events(self, handle: Handle) -> Sequence[Mapping[str, Any]]:
        """The events at the end of the event file of the latest start."""
        folder, member = self._node.look(handle.slug).of(handle.member)
        numbers = folder.numbers()
        if not numbers:
            return ()
        return recent_events(self._node.grown(folder, folder.output(numbers[-1], member) / EVENTS_NAME))

    def fetch(self, handle: Handle, into: Path) -> Retrieval:
        """Copy the outputs of the start that counts, and the log, beside the destination, then rename."""
        outputs = self._node.outputs(handle.slug, handle.member)
        retrieval = copy_counted(outputs, into)
        if outputs.folder.starts.is_dir():
            for name in outputs.folder.whole.marks_of_fetch(handle.member):
                self._node.write(handle.slug, name, "")
        return retrieval

    def stops_alone(self, handle: Handle) -> bool:
        """Whether it has a job of its own: alone, or as a task of an array."""
        return handle.member is None or self._node.look(handle.slug).is_array

    def cancel(self, handle: Handle, session_id: int | None = None) -> None:
        """Remove a job that waits, or ask the running session to save and leave; in a pack, all of them."""
        whole = self._node.look(handle.slug)
        folder, member = whole.of(handle.member)
        require_whole_kernel(replace(handle, member=member), "stopped")
        nonce = whole.read_nonce()
        if not nonce:
            return
        self._node.write(handle.slug, folder.cancel.name, "")
        alive = [job for job in own_jobs(self._slurm.jobs(handle.slug), nonce) if not job.ended]
        of_task = [job.id for job in alive if job.task == folder.task]
        for job in of_task if folder.task is not None else dict.fromkeys(str(job.number) for job in alive):
            self._slurm.terminate(job)

    def _script(self, push: Push) -> BatchScript:
        return BatchScript(
            settings=self._settings,
            name=push.slug,
            nonce=push.ticket.nonce,
            folder=str(self._node.root / push.slug),
            python=self._python,
            members=len(push.sessions),
            array=self._settings.array > 1 and len(push.sessions) > 1,
        )
