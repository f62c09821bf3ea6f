"""Slurm's own commands: `sbatch`, `squeue`, `scontrol`, `scancel`. Each has a time limit."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import PurePath

from orchestrator.backends.slurm import errors, states
from orchestrator.backends.slurm.listing import Job, JobListing
from orchestrator.backends.slurm.login_node import Answer
from orchestrator.core.errors import OutcomeUnknown, RemoteUnavailable

QUERY_S, SUBMIT_S = 60.0, 180.0
"""Time limits. The commands wait for slurmctld themselves, 9 to 18 s with Slurm's defaults, and sbatch repeats a
request that slurmctld is too busy for."""

TOOLS = ("sbatch", "squeue", "scontrol", "scancel")
MISSING = (
    "Name a login node of the cluster in the section's card (slurm.ssh: user@host), or work on one; or choose another "
    "backend: --backend local. There, a login shell must find Slurm's commands."
)

_FORMAT = "%i|%T|%r|%j|%k"
_ROW = re.compile(
    r"([0-9]+)(?:_([0-9]+))?\|(?P<state>[^|]*)\|(?P<reason>[^|]*)\|(?P<name>[^|]*)\|(?P<comment>.*)", re.ASCII
)
_JOB_ID = re.compile(r"([0-9]+)(;\S*)?")
_EXIT = re.compile(r"\bExitCode=([0-9]+):([0-9]+)")
_FROM_SHELL: Mapping[str, str] = {
    "SBATCH_PARTITION": "partition",
    "SBATCH_ACCOUNT": "account",
    "SBATCH_QOS": "qos",
    "SBATCH_GRES": "gres",
    "SBATCH_MEM_PER_NODE": "mem",
    "SBATCH_RESERVATION": "reservation",
    "SBATCH_CONSTRAINT": "constraint",
}
"""Variables that choose for the user where the card is silent: variable -> option."""


Run = Callable[[Sequence[str], PurePath | None, Collection[str], float], Answer]
"""`LoginNode.run`."""


class Slurm:
    """The commands of one cluster.

    Args:
        run: Runs a command on the login node.
        title: Name of the login node in messages.
        listing: Shared by all that look at jobs through this login node.
    """

    def __init__(self, run: Run, title: str = "this computer", listing: JobListing | None = None) -> None:
        self._run = run
        self._title = title
        self._listing = listing or JobListing()

    def submit(self, script: PurePath, options: Mapping[str, str]) -> int:
        """Submit a batch script from its folder; returns the job's number.

        Args:
            options: Those of `sbatch` that the script has itself.

        Raises:
            NotYet: A limit or slurmctld refuses it for now; nothing was submitted.
            OutcomeUnknown: The answer was lost.
            BadInput: Slurm refused it; its sentence is shown.
            RemoteUnavailable: There is no sbatch.
        """
        kept = {name for name, option in _FROM_SHELL.items() if option not in options}
        self._listing.forget()
        try:
            answer = self._run(("sbatch", "--parsable", script.name), script.parent, kept, SUBMIT_S)
        except FileNotFoundError as fault:
            raise missing("sbatch", self._title) from fault
        except TimeoutError as fault:
            raise OutcomeUnknown(f"sbatch gave no answer within {SUBMIT_S:.0f} s") from fault
        except ConnectionError as fault:
            raise OutcomeUnknown(f"sbatch: {fault}") from fault
        if answer.code:
            raise errors.of_submit(answer.err)
        found = _JOB_ID.fullmatch(answer.out.strip().rpartition("\n")[2])
        if found is None:
            raise OutcomeUnknown(f"sbatch answered {answer.out.strip()[:200]!r} instead of a job's number")
        return int(found[1])

    def jobs(self, name: str, session: str | None = None) -> list[Job]:
        """Jobs of that name that wait, run, or ended so recently that slurmctld still knows them.

        Args:
            session: Whose state is looked at, so that one listing may answer the looks at many; None if the answer must
                be of this moment.

        Raises:
            RemoteUnavailable: Slurm does not answer.
        """
        return self._listing.of(name, self._all_jobs, session)

    def _all_jobs(self) -> list[Job]:
        """The jobs of this user.

        Of one user slurmctld sends the jobs of that one alone; a filter by name is applied to all jobs of the cluster,
        by squeue itself. Not by `squeue --json`: up to Slurm 22.05 it ignores every filter, the form of its values
        differs between versions, and it may not be built in.
        """
        words = ("squeue", "--noheader", "--me", "--array", "--states=all", f"--format={_FORMAT}")
        rows = map(_ROW.fullmatch, map(str.strip, self._query(words).out.splitlines()))
        return [
            Job(number=int(row[1]), task=int(row[2]) if row[2] else None, **row.groupdict())
            for row in rows
            if row is not None
        ]

    def exit_code(self, job: Job) -> tuple[int, int] | None:
        """Exit code and signal of an ended job.

        Slurm is asked only where the state does not say it; None where Slurm does not know it, or has forgotten the
        job.
        """
        if job.state == states.WELL:
            return 0, 0
        if job.state not in states.OWN_CODE:
            return None
        words = ("scontrol", "--oneliner", "show", "job", job.id)
        found = _EXIT.search(self._query(words).out)
        return (int(found[1]), int(found[2])) if found else None

    def terminate(self, job: str) -> None:
        """Ask a job to leave: one that waits is removed, one that runs gets TERM. Repeatable.

        Args:
            job: As Slurm's commands take it; the number of an array stands for all its tasks.
        """
        self._listing.forget()
        # A signal does nothing to a job that waits, and without one a running job would be ended at once.
        self._query(("scancel", "--state=PENDING", job))
        self._query(("scancel", "--batch", "--signal=TERM", job))

    def ping(self) -> None:
        """Ask whether slurmctld is there.

        Raises:
            RemoteUnavailable: It is not, or Slurm is not installed.
        """
        answer = self._query(("scontrol", "ping"), fails=False)
        if answer.code or " UP" not in answer.out:
            raise errors.of_query("scontrol ping", answer.err or answer.out)

    def version(self) -> str:
        """Version of the commands, e.g. `slurm 22.05.8`."""
        return self._query(("squeue", "--version")).out.strip()

    def partitions(self) -> list[tuple[str, str, str]]:
        """Name, state (`up`) and time limit of each partition; the default one's name ends with `*`."""
        rows = self._query(("sinfo", "--noheader", "--summarize", "--format=%P|%a|%l")).out.split()
        return [(parts[0], parts[1], parts[2]) for row in rows if len(parts := row.split("|")) == 3]

    def _query(self, words: Sequence[str], *, fails: bool = True) -> Answer:
        try:
            answer = self._run(words, None, (), QUERY_S)
        except FileNotFoundError as fault:
            raise missing(words[0], self._title) from fault
        except TimeoutError as fault:
            raise errors.of_query(words[0], f"no answer within {QUERY_S:.0f} s") from fault
        except ConnectionError as fault:
            raise errors.of_query(words[0], str(fault)) from fault
        if answer.code and fails and not errors.is_unknown_job(answer.err):
            raise errors.of_query(words[0], answer.err)
        return answer


def missing(tool: str, title: str) -> RemoteUnavailable:
    """The error of a computer without Slurm.

    Args:
        title: Name of that computer.
    """
    return RemoteUnavailable(f"{title} has no Slurm: {tool} was not found", remedy=MISSING)
