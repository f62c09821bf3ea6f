"""Writes the batch script of a session. No I/O."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from orchestrator.core.section.slurm import SlurmSettings
from orchestrator.kernel.files.workspace import ROOT_VARIABLE, TASK_VARIABLE
from orchestrator.kernel.session.stop_flag import PAUSE_VARIABLE
from orchestrator.kernel.wire import MANIFEST_NAME, member_folder

COMMENT = "orchestrator:"
MOST_STARTS = 50
"""Starts of one job; Slurm repeats one only after its own crash, or where a node was lost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchScript:
    """The script that Slurm runs on the first node of a job.

    Attributes:
        name: Of the job: the session's slug.
        folder: The session's folder, absolute.
        python: Interpreter, words of a command line.
        members: Sessions in the job; above 1 for a pack.
        array: Whether each of them is a task of a job array, with these options for itself.
    """

    settings: SlurmSettings
    name: str
    nonce: str
    folder: str
    python: str
    members: int = 1
    array: bool = False

    @property
    def options(self) -> Mapping[str, str]:
        """Options of sbatch: name -> value."""
        return {
            "job-name": self.name,
            "comment": COMMENT + self.nonce,
            **self.settings.options,
            "signal": f"B:TERM@{self.settings.warn_s:.0f}",
            **({"array": f"1-{self.members}"} if self.array else {}),
            "output": "kernel.%a.log" if self.array else "kernel.log",
            "open-mode": "append",
            # A second job of this name waits for the first: a submit whose answer was lost may have been repeated.
            # Tasks of one array do not wait for each other.
            "dependency": "singleton",
        }

    def text(self) -> str:
        """The whole script."""
        login = " -l" if self.settings.modules else ""  # a login shell defines `module`
        return "".join(f"{line}\n" for line in (f"#!/bin/bash{login}", *self._head(), "", *self._body()))

    def _head(self) -> Iterator[str]:
        for name, value in self.options.items():
            yield f"#SBATCH --{name}={value}"
        yield "#SBATCH --no-requeue"

    def _body(self) -> Iterator[str]:
        settings = self.settings
        yield f"folder={shlex.quote(self.folder)}"
        yield from (_TASK.format(task=TASK_VARIABLE) if self.array else _ALONE).splitlines()
        yield from _GUARD.format(nonce=self.nonce, manifests=" ".join(self._manifests())).splitlines()
        yield from _START.format(most=MOST_STARTS, root=ROOT_VARIABLE, pause=PAUSE_VARIABLE).splitlines()
        for module in settings.modules:
            quoted = shlex.quote(module)
            yield f"module load {quoted} || {{ echo {shlex.quote(f'module load {module} failed')}; exit 64; }}"
        words = [*shlex.split(settings.container), *shlex.split(self.python), "-I", "-u", "-X", "utf8"]
        # With `exec` the session is the process that gets TERM; a shell in between would keep it.
        yield f'exec {" ".join(map(shlex.quote, words))} "$folder/kernel.py"'

    def _manifests(self) -> list[str]:
        """What a start has written that ran to its end, below its output folder."""
        if self.members == 1 or self.array:
            return [MANIFEST_NAME]
        return [f"{member_folder(number)}/{MANIFEST_NAME}" for number in range(1, self.members + 1)]


_ALONE = """\
job=${SLURM_JOB_ID:-} task= input=input stopped="$folder/cancel"
"""

_TASK = """\
job=${{SLURM_ARRAY_JOB_ID}}_$SLURM_ARRAY_TASK_ID task=$SLURM_ARRAY_TASK_ID- input=input/$SLURM_ARRAY_TASK_ID
stopped="$folder/cancel-$SLURM_ARRAY_TASK_ID"
export {task}=$SLURM_ARRAY_TASK_ID
"""

_GUARD = """\
leave() {{ echo "$1"; exit 0; }}
# Slurm may start a job twice, and a job may arrive late: nonce and manifest decide whether this start counts.
[ "$(cat "$folder/nonce" 2>/dev/null)" = {nonce} ] || leave "Not started: the folder belongs to another session."
[ ! -e "$folder/cancel" ] && [ ! -e "$stopped" ] || leave "Not started: the session was asked to stop."
for one in "$folder"/starts/"$task"*; do
  ended=yes
  for written in {manifests}; do [ -e "$one/working/$written" ] || ended=no; done
  [ $ended = no ] || leave "Not started again: the session has already ended."
done
"""

_START = """\
# Each start has an output folder of its own. mkdir is atomic, on network disks too.
start=1
until mkdir "$folder/starts/$task$start" 2>/dev/null; do
  start=$((start + 1))
  [ "$start" -le {most} ] || {{ echo "$folder/starts cannot be written on $(hostname)"; exit 65; }}
done
here=$folder/starts/$task$start
mkdir "$here/working" && ln -s "../../$input" "$here/input" && cd "$here/working" || exit 65
echo "$job" > "$here/job"
export {root}="$here" {pause}=1
unset SLURM_JWT
"""
