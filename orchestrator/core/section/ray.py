"""The `ray` block of a section card."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from orchestrator.kernel.algorithms.plans import JSON_SCHEMA

_ADDRESS = r"https?://[^\s/@?#]+(/[^\s@?#]*)?"
_STORAGE = r"file:///[^\x00-\x1f\x7f]+|(?!file:)[a-z][a-z0-9]*://[^\x00-\x20\x7f@?#/][^\x00-\x20\x7f@?#]*"
_MEM = r"[1-9][0-9]*[KMGT]?"
_LINE = r"[^\x00-\x1f\x7f]*"
"""Forms of values, in syntax that Python and JSON Schema share. No address can hold a password."""
_SECRET = re.compile(r"key|secret|token|passw|credential", re.IGNORECASE)
_UNITS: Mapping[str, int] = {"": 20, "K": 10, "M": 20, "G": 30, "T": 40}
_NOT_NEGATIVE = {JSON_SCHEMA: {"minimum": 0}}


def _optional(pattern: str) -> Any:
    return field(default="", metadata={JSON_SCHEMA: {"pattern": f"^({pattern})?$"}})


@dataclass(frozen=True, slots=True, kw_only=True)
class RaySettings:
    """Settings of a session on a Ray cluster.

    Attributes:
        address: Address of the cluster's dashboard, e.g. `http://head:8265`. Default: RAY_API_SERVER_ADDRESS or
            RAY_ADDRESS of the shell.
        storage: Folder of the sessions in a storage that this computer and the nodes reach: `file:///shared/runs` or
            `s3://bucket/runs`, or another protocol of fsspec. Needed.
        storage_options: Options of the fsspec file system, e.g. `endpoint_url`. No secrets: the nodes need access of
            their own.
        num_cpus: CPUs that Ray reserves for a session.
        num_gpus: GPUs that it reserves.
        mem: Memory that it reserves, e.g. `8G`; a number alone is in megabytes.
        resources: Resources of the cluster that it reserves, e.g. `{TPU: 1}`.
        pip: Packages that Ray installs on the node for a session, as requirements of pip.
        python: Interpreter on the nodes, one path or name.
    """

    __pydantic_config__: ClassVar[Mapping[str, Any]] = {"extra": "forbid", "strict": True}

    address: str = _optional(_ADDRESS)
    storage: str = _optional(_STORAGE)
    storage_options: Mapping[str, str | bool | int] = field(default_factory=dict)
    num_cpus: float = field(default=1.0, metadata=_NOT_NEGATIVE)
    num_gpus: float = field(default=0.0, metadata=_NOT_NEGATIVE)
    mem: str = _optional(_MEM)
    resources: Mapping[str, float] = field(default_factory=dict)
    pip: tuple[str, ...] = field(default=(), metadata={JSON_SCHEMA: {"items": {"pattern": f"^{_LINE}$"}}})
    python: str = field(default="python3", metadata={JSON_SCHEMA: {"pattern": f"^{_LINE}$"}})

    def __post_init__(self) -> None:
        if faults := list(self._faults()):
            raise ValueError("\n".join(faults))

    def __hash__(self) -> int:
        return hash((self.address, self.storage, self.num_cpus, self.num_gpus, self.mem, self.pip, self.python))

    def _faults(self) -> Iterator[str]:
        if self.address and not re.fullmatch(_ADDRESS, self.address):
            yield f"address must be that of Ray's dashboard, e.g. http://head:8265, not {self.address!r}"
        if self.storage and (not re.fullmatch(_STORAGE, self.storage) or "/.." in self.storage):
            yield f"storage must be a place such as file:///shared/runs or s3://bucket/runs, not {self.storage!r}"
        for name in self.storage_options:
            if _SECRET.search(name):
                yield f"storage_options must hold no secrets ({name}): nodes and this computer need access of their own"
        yield from self._reserved_faults()
        if self.mem and not re.fullmatch(_MEM, self.mem):
            yield f"mem must be a size such as 8G, not {self.mem!r}"
        if any(not re.fullmatch(_LINE, one) or not one.strip() for one in self.pip):
            yield f"pip must hold requirements of one line each, not {list(self.pip)}"
        if not re.fullmatch(_LINE, self.python) or not self.python.strip():
            yield f"python must be one line, not {self.python!r}"

    def _reserved_faults(self) -> Iterator[str]:
        reserved = {"num_cpus": self.num_cpus, "num_gpus": self.num_gpus}
        for name, value in (reserved | {f"resources.{key}": value for key, value in self.resources.items()}).items():
            if not (math.isfinite(value) and value >= 0):
                yield f"{name} must be finite and not negative, not {value}"
            elif value > 1 and value != int(value):
                yield f"{name} must be whole above 1, not {value}"

    @property
    def mem_bytes(self) -> int:
        """Memory that Ray reserves; 0 without a reservation."""
        found = re.fullmatch(r"([0-9]+)([KMGT]?)", self.mem)
        return int(found[1]) << _UNITS[found[2]] if found else 0

    @property
    def reserved(self) -> str:
        """What Ray reserves, in words."""
        counts = {"CPU": self.num_cpus, "GPU": self.num_gpus, **self.resources}
        return ", ".join(f"{count:g} {name}" for name, count in counts.items() if count) or "nothing reserved"

    @property
    def cores(self) -> int:
        """Whole CPUs of a session, one at least."""
        return max(1, int(self.num_cpus))

    @property
    def gpus(self) -> int:
        """GPUs that a session can use; a part of one is one."""
        return math.ceil(self.num_gpus)

    def places(self, device: str) -> int:
        """Trainings of a device (`cpu`, `cuda`, `auto`) that a session can run side by side."""
        return self.gpus if self.gpus and device != "cpu" else self.cores
