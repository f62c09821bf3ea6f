"""Sessions as jobs of a Ray cluster, with their files in a storage."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from orchestrator.backends.ray.client import Jobs
from orchestrator.backends.ray.entrypoint import SYNC_S, job_request
from orchestrator.backends.ray.folder import ASKED, SessionFolder, driver_source, sweep
from orchestrator.backends.ray.observation import LOST_AFTER_S, STATES, of_forgotten, of_known
from orchestrator.backends.ray.outputs import fetch_outputs
from orchestrator.backends.ray.session_log import complete_lines, log_of_ray, log_so_far
from orchestrator.backends.ray.storage import Storage
from orchestrator.core.errors import NameTaken
from orchestrator.core.section.ray import RaySettings
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
from orchestrator.kernel.reading.json_text import read_lines
from orchestrator.kernel.wire import EVENTS_NAME, Ticket, member_folder
from orchestrator.ports import Backend

OWNER = "ray"
LOOK_EVERY_S = (2.0, 30.0)
VISIBILITY_S = 60.0
"""How long a submit whose answer was lost may stay invisible: the dashboard hands it to an agent of the head."""
_RECENT_BYTES = 65_536


class RayBackend(Backend):
    """Runs sessions as jobs of a Ray cluster.

    Args:
        jobs: The jobs of the cluster.
        settings: The card's `ray` block.
        storage: Folder of all sessions.
        sync_s: Seconds between two times at which a running session stores its outputs.
        now: Aware UTC time.
    """

    name = "ray"

    def __init__(
        self,
        jobs: Jobs,
        settings: RaySettings,
        storage: Storage,
        sync_s: float = SYNC_S,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._jobs = jobs
        self._settings = settings
        self._storage = storage
        self._sync_s = sync_s
        self._now = now

    @property
    def capabilities(self) -> Capabilities:
        """No time limit but the section's own deadline; checkpoints travel through the storage."""
        settings = self._settings
        return Capabilities(
            owner=OWNER,
            device=f"Ray, {settings.reserved}",
            max_script_bytes=64_000_000,
            max_wall_s=None,
            look_every_s=LOOK_EVERY_S,
            can_cancel=True,
            carriers=(Carrier.DATASET,),
            runtime_versions={},
            absent_patience_s=LOST_AFTER_S,
            visibility_s=VISIBILITY_S,
            remembers=True,
            cores=settings.cores,
            gpus=settings.gpus,
        )

    def prepare(self, ticket: Ticket, script: str, checkpoints: CheckpointSet, slug: str, carrier: Carrier) -> Push:
        """The complete request. Pure."""
        request = job_request(self._settings, slug=slug, nonce=ticket.nonce, driver_sha256="")
        settings = {
            "address": self._jobs.address,
            "storage": self._storage.url,
            "runtime_env": dict(request.runtime_env),
            **request.resources,
        }
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
        """Store what the session needs. Repeatable until the session is submitted.

        Raises:
            NameTaken: The folder or the job of that slug belongs to another session.
            RemoteUnavailable: The storage does not take it; what it has taken is removed again.
        """
        folder = self._folder(push.slug)
        note, job = folder.submitted(), self._jobs.info(push.slug)
        if note is not None or job is not None or folder.starts():
            nonces = {job.nonce} if job else {(note or {}).get("nonce", folder.nonce())}
            if nonces != {push.ticket.nonce}:
                raise NameTaken(f"{push.slug} already belongs to another session, on Ray or in {self._storage.url}")
            return
        sweep(self._storage)
        folder.remove()
        try:
            folder.fill(push, driver_source(), self._sync_s)
        except Exception:
            folder.remove()
            raise

    def submit(self, push: Push) -> Handle:
        """Submit the job: one request, never repeated here. Ray refuses a second job of the same name.

        Raises:
            NotYet: The cluster takes no job now.
            OutcomeUnknown: The answer was lost; `find` shows whether the job exists.
            NameTaken: The cluster has a job of that name, of another session.
            BadInput: Ray refused it; its sentence is shown.
        """
        folder, nonce = self._folder(push.slug), push.ticket.nonce
        digest = folder.driver_sha256()
        try:
            self._jobs.submit(job_request(self._settings, slug=push.slug, nonce=nonce, driver_sha256=digest))
        except NameTaken:
            job = self._jobs.info(push.slug)
            if job is None or job.nonce != nonce:
                raise
        folder.note_submitted(nonce, self._now().isoformat())
        return self._handle(push.slug)

    def find(self, ticket: Ticket, slug: str) -> Handle | None:
        """The session of this ticket: its job has its nonce, or a start has stored something."""
        folder = self._folder(slug)
        if not self._was_submitted(folder):
            return None
        return member_of(self._handle(slug), folder.tickets(), ticket.nonce)

    def _was_submitted(self, folder: SessionFolder) -> bool:
        """Whether the job of a folder was ever submitted; notes it if the command that did it could not."""
        if folder.submitted() is not None:
            return True
        nonce = folder.nonce()
        if not nonce:
            return False
        job = self._jobs.info(folder.slug)
        if not (job is not None and job.nonce == nonce) and not folder.starts():
            return False
        begun = datetime.fromtimestamp(job.begun_ms / 1000.0, UTC) if job and job.begun_ms else self._now()
        folder.note_submitted(nonce, begun.isoformat())
        return True

    def read(self, slug: str) -> RemoteSession | None:
        """The session of that slug; None if none was submitted, or if another version of this program wrote it."""
        return next(iter(self.read_all(slug)), None)

    def read_all(self, slug: str) -> Sequence[RemoteSession]:
        """All sessions of that slug's job."""
        folder = self._folder(slug)
        if not self._was_submitted(folder):
            return []
        begun_at = parse_timestamp(str((folder.submitted() or {}).get("at")))
        return sessions_of(self._handle(slug), folder.tickets(), begun_at=begun_at)

    def names(self, prefix: str) -> Sequence[str]:
        """Slugs of the folders with that prefix."""
        return [name for name in self._storage.names() if name.startswith(prefix)]

    def recall(self, lineage_id: str) -> Sequence[RemoteSession]:
        """Sessions of a lineage that were submitted and never fetched, oldest first."""
        unfetched = [slug for slug in self.names("") if not self._folder(slug).was_fetched(None)]
        sessions = (one for slug in unfetched for one in self.read_all(slug) if one.ticket.lineage_id == lineage_id)
        return sorted((one for one in sessions if not self._was_fetched(one.handle)), key=lambda one: str(one.begun_at))

    def _was_fetched(self, handle: Handle) -> bool:
        return self._folder(handle.slug).was_fetched(handle.member)

    def observe(self, handle: Handle) -> Observation:
        """The state now: by Ray, then by what the job's starts have stored."""
        folder = self._folder(handle.slug)
        nonce = folder.nonce()
        if not nonce:
            return Observation(state=SessionState.ABSENT, native="no folder")
        if folder.is_emptied():
            return Observation(state=SessionState.ENDED, native="ended, and emptied after its fetch")
        job = self._jobs.info(handle.slug)
        if job is None or job.nonce != nonce:
            return of_forgotten(folder, handle.member, self._now())
        return of_known(folder, handle.member, job)

    def follow(self, handle: Handle, cursor: int) -> Iterator[tuple[str, int]]:
        """New complete lines of the log after byte `cursor`: of Ray's log, or of the stored one."""
        folder = self._folder(handle.slug)
        log = log_so_far(self._jobs, folder, folder.nonce())
        return own_lines_from(complete_lines(log, cursor), handle.member)

    def recent_events(self, handle: Handle) -> Sequence[Mapping[str, Any]]:
        """The events at the end of the event file that was stored last."""
        folder = self._folder(handle.slug)
        if (index := folder.counted(handle.member, folder.starts())) is None:
            return ()
        name = EVENTS_NAME if handle.member is None else f"{member_folder(handle.member)}/{EVENTS_NAME}"
        content = folder.content(index, name) or b""
        return [event for _, event in read_lines(content[-_RECENT_BYTES:], EVENTS_NAME) if isinstance(event, dict)]

    def fetch(self, handle: Handle, into: Path) -> Retrieval:
        """Fetch the outputs of the start that counts, and the log, beside the destination, then rename."""
        folder = self._folder(handle.slug)
        return fetch_outputs(folder, handle.member, into, log_of_ray(self._jobs, folder, folder.nonce(), whole=True))

    def cancel(self, handle: Handle, session_id: int | None = None) -> None:
        """Ask the session to save and leave, in a pack all of them; a job that waits is stopped.

        A running session finds the request in the storage: Ray itself would send TERM to all processes of the job, and
        so end a training's workers before it has saved.
        """
        require_whole_kernel(handle, "stopped")
        folder = self._folder(handle.slug)
        nonce = folder.nonce()
        if not nonce:
            return
        folder.ask_to_stop(ASKED)
        job = self._jobs.info(handle.slug)
        if job is not None and job.nonce == nonce and STATES.get(job.status) is SessionState.PENDING:
            self._jobs.stop(handle.slug)

    def _folder(self, slug: str) -> SessionFolder:
        return SessionFolder(storage=self._storage, slug=slug)

    def _handle(self, slug: str) -> Handle:
        return Handle(backend=self.name, owner=OWNER, slug=slug)
