"""The `slurm` block of a section card."""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from orchestrator.kernel.algorithms.plans import JSON_SCHEMA

_WORD = r"[A-Za-z0-9][A-Za-z0-9_.,@/+-]*"
_GRES = r"[A-Za-z0-9][A-Za-z0-9_.,:=/-]*"
_MEM = r"[1-9][0-9]*[KMGT]?"
_MODULE = r"[A-Za-z0-9][A-Za-z0-9_.,:@=+/-]*"
_TIME = (
    r"(?P<days>[0-9]+)-(?P<day_hours>[0-9]+)(:(?P<day_minutes>[0-9]+)(:(?P<day_seconds>[0-9]+))?)?|[0-9]+(:[0-9]+){0,2}"
)
_LOGIN = r"[A-Za-z0-9_][A-Za-z0-9_.-]*(@[A-Za-z0-9_][A-Za-z0-9_.:-]*)?"
_LINE = r"[^\x00-\x1f\x7f$`]*"
_PATH = r"[^\x00-\x1f\x7f]*"
"""Forms of values, in syntax that Python and JSON Schema share. None of them can end a line of the batch script."""
_GPU = re.compile(r"(?:^|,|/)gpu(?::[^,:]*[A-Za-z][^,:]*)?(?::(\d+))?(?=,|$|\()")

WARN_SHARE, WARN_LEAST_S, WARN_MOST_S = 0.1, 10.0, 120.0
"""How long before the wall limit TERM is sent: a part of it, within bounds. Slurm may send it up to a minute earlier.

Source: sbatch(1), --signal.
"""


MOST_CPUS = 4096
MOST_TASKS = 100
"""Of an array: its script holds the tickets of all, and each look at one of them reads the list."""


def _optional(pattern: str) -> Any:
    return field(default="", metadata={JSON_SCHEMA: {"pattern": f"^({pattern})?$"}})


@dataclass(frozen=True, slots=True, kw_only=True)
class SlurmSettings:
    """Settings of a session on Slurm. A key that is left out leaves the choice to the cluster.

    Attributes:
        ssh: Login node as OpenSSH names it, `user@host` or a host of `~/.ssh/config`; default: this computer.
        partition: Partition, or several separated by commas.
        account: Account that is charged.
        qos: Quality of service.
        gres: Generic resources, e.g. `gpu:1` or `gpu:a100:2`.
        cpus: CPUs of a session.
        array: Most trainings of a campaign that are submitted together, as tasks of one job array; each task is a job
            with all that this block asks for. 1 submits each training by itself, or several in one job as `pack` says.
        mem: Memory of a session, e.g. `8G`; a number alone is in megabytes.
        time: Wall limit in a form of Slurm, in quotes: `"4:00:00"`, `"1-12:00:00"`, `"30"` minutes. Slurm rounds up to
            whole minutes.
        modules: Environment modules to load, in this order.
        container: Words before the interpreter, e.g. `apptainer exec --nv /shared/image.sif`.
        python: Interpreter on the cluster; default: the one that runs this program, in a container and over SSH
            `python3`.
        folder: Folder on the shared file system for the sessions, below the project unless absolute, over SSH below the
            home folder there; `~` and variables are replaced. Default: `.orchestrator/slurm` in the project, over SSH
            in the home folder.
    """

    __pydantic_config__: ClassVar[Mapping[str, Any]] = {"extra": "forbid", "strict": True}

    ssh: str = _optional(_LOGIN)
    partition: str = _optional(_WORD)
    account: str = _optional(_WORD)
    qos: str = _optional(_WORD)
    gres: str = _optional(_GRES)
    cpus: int = field(default=1, metadata={JSON_SCHEMA: {"minimum": 1, "maximum": MOST_CPUS}})
    array: int = field(default=1, metadata={JSON_SCHEMA: {"minimum": 1, "maximum": MOST_TASKS}})
    mem: str = _optional(_MEM)
    time: str = "1:00:00"
    modules: tuple[str, ...] = field(default=(), metadata={JSON_SCHEMA: {"items": {"pattern": f"^{_MODULE}$"}}})
    container: str = field(default="", metadata={JSON_SCHEMA: {"pattern": f"^{_LINE}$"}})
    python: str = field(default="", metadata={JSON_SCHEMA: {"pattern": f"^{_LINE}$"}})
    folder: str = field(default="", metadata={JSON_SCHEMA: {"pattern": f"^{_PATH}$"}})

    def __post_init__(self) -> None:
        if faults := list(self._faults()):
            raise ValueError("\n".join(faults))

    def _faults(self) -> Iterator[str]:
        forms = {"partition": _WORD, "account": _WORD, "qos": _WORD, "gres": _GRES, "mem": _MEM, "ssh": _LOGIN}
        examples = {"gres": "gpu:1", "mem": "8G", "ssh": "user@login.example.org"}
        for name, pattern in forms.items():
            value = getattr(self, name)
            if value and not re.fullmatch(pattern, value):
                reader = "OpenSSH" if name == "ssh" else "Slurm"
                yield f"{name} must be a word as {reader} writes it, e.g. {examples.get(name, 'main')}, not {value!r}"
        yield from self._numbers_outside()
        if wall_seconds(self.time) is None:
            yield f'time must be a limit of at least one minute in a form of Slurm, e.g. "4:00:00", not {self.time!r}'
        for module in self.modules:
            if not re.fullmatch(_MODULE, module):
                yield f"modules must hold names of modules, not {module!r}"
        for name in ("container", "python"):
            value = getattr(self, name)
            if not re.fullmatch(_LINE, value) or not _splits(value):
                yield f"{name} must be one line without $, ` and open quotes: write paths in full, not {value!r}"
        if not re.fullmatch(_PATH, self.folder):
            yield f"folder must be one line, not {self.folder!r}"

    def _numbers_outside(self) -> Iterator[str]:
        for name, most in (("cpus", MOST_CPUS), ("array", MOST_TASKS)):
            if not 1 <= getattr(self, name) <= most:
                yield f"{name} must lie in [1, {most}], not {getattr(self, name)}"

    @property
    def wall_s(self) -> float:
        """Wall limit that Slurm enforces, seconds."""
        return wall_seconds(self.time) or 0.0

    @property
    def warn_s(self) -> float:
        """Seconds before the wall limit at which TERM asks the session to save and leave."""
        return min(max(WARN_SHARE * self.wall_s, WARN_LEAST_S), WARN_MOST_S)

    @property
    def longest_session_s(self) -> float:
        """Wall seconds that our script may take: it saves by itself before Slurm asks it to."""
        return self.wall_s - self.warn_s

    @property
    def gpus(self) -> int:
        """GPUs of a session."""
        return sum(int(found[1] or 1) for found in _GPU.finditer(self.gres))

    def places(self, device: str) -> int:
        """Trainings of a device (`cpu`, `cuda`, `auto`) that a session can run side by side."""
        return self.gpus if self.gpus and device != "cpu" else self.cpus

    @property
    def options(self) -> dict[str, str]:
        """Options of `sbatch` that the card decides: name -> value."""
        chosen = {name: getattr(self, name) for name in ("partition", "account", "qos", "gres", "mem")}
        given = {name: value for name, value in chosen.items() if value}
        return {**given, "cpus-per-task": str(self.cpus), "time": str(math.ceil(self.wall_s / 60.0))}


def wall_seconds(text: str) -> float | None:
    """Seconds of a time limit, rounded up to a whole minute as Slurm does; None if it is none, or zero.

    Source: sbatch(1), --time: minutes, minutes:seconds, hours:minutes:seconds, days-hours, days-hours:minutes and
    days-hours:minutes:seconds.
    """
    found = re.fullmatch(_TIME, text)
    if found is None or len(text) > 20:
        return None
    if found["days"] is not None:
        names = ("days", "day_hours", "day_minutes", "day_seconds")
        days, hours, minutes, seconds = (int(found[one] or 0) for one in names)
    else:
        parts = [int(part) for part in text.split(":")]
        days, (hours, minutes, seconds) = 0, {1: (0, *parts, 0), 2: (0, *parts), 3: tuple(parts)}[len(parts)]
    whole_s = 60.0 * math.ceil((((days * 24 + hours) * 60 + minutes) * 60 + seconds) / 60.0)
    return whole_s or None


def _splits(line: str) -> bool:
    """Whether the shell would find complete words in a line."""
    try:
        shlex.split(line)
    except ValueError:
        return False
    return True
