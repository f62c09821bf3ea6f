"""The sessions that were submitted, by their folders; a submit whose answer was lost by the comment of its job."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import datetime

from orchestrator.backends.slurm.capabilities import OWNER
from orchestrator.backends.slurm.commands import Slurm
from orchestrator.backends.slurm.listing import Job
from orchestrator.backends.slurm.login_node import LoginNode
from orchestrator.backends.slurm.session.batch_script import COMMENT
from orchestrator.backends.slurm.session.folder import SUBMITTED_NAME, SessionFolder
from orchestrator.core.session.backend_types import Handle, RemoteSession
from orchestrator.core.session.pack import member_of, sessions_of
from orchestrator.core.timestamps import parse_timestamp
from orchestrator.kernel.wire import Ticket


class Submitted:
    """The submitted sessions of a login node.

    Args:
        now: Aware UTC time.
    """

    def __init__(self, slurm: Slurm, node: LoginNode, now: Callable[[], datetime]) -> None:
        self._slurm = slurm
        self._node = node
        self._now = now

    def find(self, ticket: Ticket, slug: str) -> Handle | None:
        """The session of this ticket; None if it was not submitted."""
        folder = self._found(slug)
        return None if folder is None else member_of(handle_of(slug), folder.tickets(), ticket.nonce)

    def _found(self, slug: str) -> SessionFolder | None:
        """The folder of a submitted session, also if its submit was never noted; None if it was not submitted."""
        folder = self._node.look(slug)
        if folder.read_submitted() is not None:
            return folder
        nonce = folder.read_nonce()
        if not nonce:
            return None
        jobs = own_jobs(self._slurm.jobs(slug), nonce)
        if not jobs and not folder.begun:
            return None
        self.note(slug, nonce, jobs[0].number if jobs else None)
        return self._node.look(slug)

    def note(self, slug: str, nonce: str, job: int | None) -> None:
        """Note that the job exists; an earlier note stays.

        Args:
            job: Its number, None where Slurm has forgotten it.
        """
        note = {"nonce": nonce, "at": self._now().isoformat(), "job": job}
        self._node.write(slug, SUBMITTED_NAME, json.dumps(note))

    def read_all(self, slug: str) -> list[RemoteSession]:
        """All sessions of that slug; none if it was not submitted, or if another version of this program wrote it."""
        folder = self._found(slug)
        if folder is None:
            return []
        note = folder.read_submitted() or {}
        return sessions_of(handle_of(slug), folder.tickets(), begun_at=parse_timestamp(str(note.get("at"))))

    def recall(self, lineage_id: str) -> list[RemoteSession]:
        """Those of a lineage that were never fetched, oldest first."""
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


def own_jobs(jobs: Sequence[Job], nonce: str) -> list[Job]:
    """Jobs of one session, or of one pack; a job of the same name may be another's."""
    return [job for job in jobs if job.comment.strip() == COMMENT + nonce]


def handle_of(slug: str) -> Handle:
    """The handle of the job of that slug."""
    return Handle(backend="slurm", owner=OWNER, slug=slug)
