"""The jobs of one user, listed once for all sessions that are looked at in the same moment."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from orchestrator.backends.slurm import states
from orchestrator.core.session.backend_types import SessionState

SHARED_S = 2.0
"""Seconds for which a listing answers every look."""
ROUND_S = 60.0
"""Seconds for which it answers the first look at each session: one tick of a campaign looks once at each. It also
answers the looks at a session whose jobs had all ended in it: that is final."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One job that squeue lists, or one that ended some minutes ago.

    Attributes:
        number: The job's; of a task its array's.
        task: Number of the task in its array, None for a job alone.
        state: Slurm's word, e.g. `RUNNING`.
        reason: Why it waits, in Slurm's word.
    """

    number: int
    task: int | None = None
    state: str
    reason: str
    name: str
    comment: str

    @property
    def id(self) -> str:
        """As Slurm's commands take it."""
        return str(self.number) if self.task is None else f"{self.number}_{self.task}"

    @property
    def ended(self) -> bool:
        """Whether it has ended, by its state."""
        return states.STATES.get(self.state) is SessionState.ENDED


class JobListing:
    """The latest listing of the user's jobs.

    A slurmctld serves all users of a cluster, and over SSH each question is a round trip: a campaign that looks at
    hundreds of sessions asks once for all of them.

    Args:
        monotonic: Seconds.
        shared_s: Seconds for which a listing answers every look.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic, shared_s: float = SHARED_S) -> None:
        self._monotonic = monotonic
        self._shared_s = shared_s
        self._jobs: Sequence[Job] = ()
        self._read_s = -math.inf
        self._answered: set[str] = set()

    def of(self, name: str, read: Callable[[], Sequence[Job]], session: str | None) -> list[Job]:
        """The jobs of that name.

        Args:
            read: Asks Slurm for all jobs of the user.
            session: Whose state is looked at; None if the answer must be of this moment.
        """
        if session is None or not self._answers(name, session):
            began_s = self._monotonic()
            self._jobs, self._read_s = read(), began_s
            self._answered.clear()
        if session is not None:
            self._answered.add(session)
        return self._named(name)

    def _answers(self, name: str, session: str) -> bool:
        age_s = self._monotonic() - self._read_s
        if age_s <= self._shared_s:
            return True
        found = self._named(name)
        is_known = bool(found) and age_s <= ROUND_S  # what is missing may have been submitted since
        return is_known and (session not in self._answered or all(job.ended for job in found))

    def _named(self, name: str) -> list[Job]:
        return [job for job in self._jobs if job.name == name]

    def forget(self) -> None:
        """Ask again at the next look: a job was submitted, or asked to leave."""
        self._read_s = -math.inf
