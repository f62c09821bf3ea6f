"""Slurm's own commands: `sbatch`, `squeue`, `scontrol`, `scancel`. Each has a time limit."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator.backends.slurm import errors
from orchestrator.core.errors import OutcomeUnknown, RemoteUnavailable
from orchestrator.core.secret_search import without_secrets

QUERY_S, SUBMIT_S = 60.0, 180.0
"""Time limits. The commands wait for slurmctld themselves, 9 to 18 s with Slurm's defaults, and sbatch repeats a
request that slurmctld is too busy for."""

TOOLS = ("sbatch", "squeue", "scontrol", "scancel")
MISSING = "Work on a login node of the cluster; or choose another backend: --backend local."

_FORMAT = "%i|%T|%r|%k"
_JOB_ID = re.compile(r"([0-9]+)(;\S*)?")
_EXIT = re.compile(r"\bExitCode=([0-9]+):([0-9]+)")
_OWN_VARIABLES = re.compile(r"(SBATCH|SQUEUE|SCANCEL|SINFO|SLURM)_(?!(CONF|JWT)$)")
"""They change what the commands do and show, above the lines of a batch script; a job's own ones are in its shell."""
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a command printed."""

    code: int
    out: str
    err: str


Run = Callable[[Sequence[str], Path | None, Mapping[str, str], float], Answer]
"""Words, working folder, environment, seconds -> answer. Raises FileNotFoundError and TimeoutError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One job that squeue lists, or one that ended some minutes ago.

    Attributes:
        state: Slurm's word, e.g. `RUNNING`.
        reason: Why it waits, in Slurm's word.
    """

    number: int
    state: str
    reason: str
    comment: str


def run_command(words: Sequence[str], folder: Path | None, environ: Mapping[str, str], limit_s: float) -> Answer:
    """Run a command to its end.

    Raises:
        FileNotFoundError: There is no such command.
        TimeoutError: It took longer than `limit_s`; it was killed.
    """
    try:
        done = subprocess.run(
            words, stdin=subprocess.DEVNULL, capture_output=True, cwd=folder, env=environ, timeout=limit_s, check=False
        )
    except subprocess.TimeoutExpired as fault:
        raise TimeoutError from fault
    out, err = (stream.decode("utf-8", "replace") for stream in (done.stdout, done.stderr))
    return Answer(code=done.returncode, out=out, err=err)


class Slurm:
    """The commands of one cluster.

    Args:
        run: Runs a command.
        environ: Environment of the commands, and so of the jobs: secrets are left out.
    """

    def __init__(self, run: Run = run_command, environ: Mapping[str, str] = os.environ) -> None:
        self._run = run
        self._environ = environ

    def submit(self, script: Path, options: Mapping[str, str]) -> int:
        """Submit a batch script from its folder; returns the job's number.

        Args:
            options: Those of `sbatch` that the script has itself.

        Raises:
            NotYet: A limit or slurmctld refuses it for now; nothing was submitted.
            OutcomeUnknown: The answer was lost.
            BadInput: Slurm refused it; its sentence is shown.
            RemoteUnavailable: There is no sbatch.
        """
        environ = self._without_own_variables()
        kept = {name for name, option in _FROM_SHELL.items() if option not in options}
        environ |= {name: value for name, value in self._environ.items() if name in kept}
        try:
            answer = self._run(("sbatch", "--parsable", script.name), script.parent, without_secrets(environ), SUBMIT_S)
        except FileNotFoundError as fault:
            raise missing("sbatch") from fault
        except TimeoutError as fault:
            raise OutcomeUnknown(f"sbatch gave no answer within {SUBMIT_S:.0f} s") from fault
        if answer.code:
            raise errors.of_submit(answer.err)
        found = _JOB_ID.fullmatch(answer.out.strip().rpartition("\n")[2])
        if found is None:
            raise OutcomeUnknown(f"sbatch answered {answer.out.strip()[:200]!r} instead of a job's number")
        return int(found[1])

    def jobs(self, name: str) -> list[Job]:
        """Jobs of that name that wait, run, or ended so recently that slurmctld still knows them.

        Not by `squeue --json`: up to Slurm 22.05 it ignores every filter and prints all jobs of the cluster, the form
        of its values differs between versions, and it may not be built in.

        Raises:
            RemoteUnavailable: Slurm does not answer.
        """
        words = ("squeue", "--noheader", "--states=all", f"--name={name}", f"--format={_FORMAT}")
        rows = (line.strip().split("|", 3) for line in self._query(words).out.splitlines())
        return [
            Job(number=int(row[0]), state=row[1], reason=row[2], comment=row[3])
            for row in rows
            if len(row) == 4 and row[0].isascii() and row[0].isdigit()
        ]

    def exit_code(self, number: int) -> tuple[int, int] | None:
        """Exit code and signal of an ended job; None if slurmctld has forgotten it."""
        words = ("scontrol", "--oneliner", "show", "job", str(number))
        found = _EXIT.search(self._query(words).out)
        return (int(found[1]), int(found[2])) if found else None

    def terminate(self, number: int) -> None:
        """Ask a job to leave: one that waits is removed, one that runs gets TERM. Repeatable."""
        # A signal does nothing to a job that waits, and without one a running job would be ended at once.
        self._query(("scancel", "--state=PENDING", str(number)))
        self._query(("scancel", "--batch", "--signal=TERM", str(number)))

    def ping(self) -> None:
        """Ask whether slurmctld is there.

        Raises:
            RemoteUnavailable: It is not, or Slurm is not installed here.
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
            answer = self._run(words, None, self._without_own_variables(), QUERY_S)
        except FileNotFoundError as fault:
            raise missing(words[0]) from fault
        except TimeoutError as fault:
            raise errors.of_query(words[0], f"no answer within {QUERY_S:.0f} s") from fault
        if answer.code and fails and not errors.is_unknown_job(answer.err):
            raise errors.of_query(words[0], answer.err)
        return answer

    def _without_own_variables(self) -> dict[str, str]:
        return {name: value for name, value in self._environ.items() if not _OWN_VARIABLES.match(name)}


def missing(tool: str) -> RemoteUnavailable:
    """The error of a computer without Slurm."""
    return RemoteUnavailable(f"this computer has no Slurm: {tool} was not found", remedy=MISSING)
