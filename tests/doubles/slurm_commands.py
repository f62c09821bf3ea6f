"""Slurm's commands with a memory: a queue that the tests change, and the sentences of failure that Slurm prints."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from orchestrator.backends.slurm.login_node import Answer

DOWN = "slurm_load_jobs error: Unable to contact slurm controller (connect failure)\n"
FORGOTTEN = "slurm_load_jobs error: Invalid job id specified\n"


@dataclass(slots=True)
class Row:
    """A job of the queue, or a task of an array."""

    name: str
    comment: str
    state: str = "PENDING"
    reason: str = "None"
    exit_code: str = "0:0"


@dataclass(slots=True)
class MemorySlurm:
    """Answers the commands.

    Attributes:
        jobs: Number -> job; number and task (`101_2`) -> task.
        refusal: What sbatch prints instead of submitting; a job is submitted all the same if `lost`.
        silent: Commands that give no answer within their time.
        absent: Commands that are not installed.
        seen: Words of each command, with the variables that it keeps.
    """

    jobs: dict[int | str, Row] = field(default_factory=dict)
    refusal: str = ""
    lost: bool = False
    down: bool = False
    silent: frozenset[str] = frozenset()
    absent: frozenset[str] = frozenset()
    seen: list[tuple[tuple[str, ...], frozenset[str]]] = field(default_factory=list)

    def __call__(self, words: Sequence[str], folder: PurePath | None, kept: Collection[str], limit_s: float) -> Answer:
        self.seen.append((tuple(words), frozenset(kept)))
        if words[0] in self.absent:
            raise FileNotFoundError(words[0])
        if words[0] == "sbatch":
            return self._sbatch(words, None if folder is None else Path(folder))
        if words[0] in self.silent:
            raise TimeoutError
        if self.down:
            return Answer(code=1, out="Slurmctld(primary) at login is DOWN\n" if "ping" in words else "", err=DOWN)
        return {"squeue": self._squeue, "scontrol": self._scontrol, "scancel": self._scancel}[words[0]](words)

    def _sbatch(self, words: Sequence[str], folder: Path | None) -> Answer:
        assert folder is not None
        if not self.refusal or self.lost:
            lines = (folder / words[-1]).read_text().splitlines()
            options = dict(line[10:].split("=", 1) for line in lines if line.startswith("#SBATCH --") and "=" in line)
            number = self._newest + 1
            tasks = int(options.get("array", "1-0").removeprefix("1-"))
            ids = [f"{number}_{task}" for task in range(1, tasks + 1)] or [number]
            self.jobs |= {one: Row(options["job-name"], options["comment"]) for one in ids}
        if "sbatch" in self.silent:
            raise TimeoutError
        if self.refusal:
            return Answer(code=1, out="", err=self.refusal)
        return Answer(code=0, out=f"{self._newest}\n", err="")

    @property
    def _newest(self) -> int:
        return max((int(str(one).partition("_")[0]) for one in self.jobs), default=100)

    def _of(self, word: str) -> list[Row]:
        """The jobs that a word of a command names; an array's number stands for all its tasks."""
        return [job for one, job in self.jobs.items() if word in (str(one), str(one).partition("_")[0])]

    def _squeue(self, words: Sequence[str]) -> Answer:
        assert {"--me", "--array", "--states=all", "--format=%i|%T|%r|%j|%k"} <= set(words)
        rows = (f"{number}|{one.state}|{one.reason}|{one.name}|{one.comment}\n" for number, one in self.jobs.items())
        return Answer(code=0, out="".join(rows), err="")

    def _scontrol(self, words: Sequence[str]) -> Answer:
        if "ping" in words:
            return Answer(code=0, out="Slurmctld(primary) at login is UP\n", err="")
        jobs = self._of(words[-1])
        if not jobs:
            return Answer(code=1, out="", err=FORGOTTEN)
        (job,) = jobs
        text = (
            f"JobId={words[-1]} JobName={job.name} JobState={job.state} Requeue=0 Restarts=0 ExitCode={job.exit_code}"
        )
        return Answer(code=0, out=f"{text} RunTime=00:00:09 Comment={job.comment} \n", err="")

    def _scancel(self, words: Sequence[str]) -> Answer:
        for job in self._of(words[-1]):
            if "--state=PENDING" in words and job.state == "PENDING":
                job.state = "CANCELLED"
        return Answer(code=0, out="", err="")
