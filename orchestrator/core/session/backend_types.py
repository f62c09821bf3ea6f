"""The values that the pipeline and a backend exchange."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from orchestrator.core.errors import BadInput
from orchestrator.core.session.end_reason import EndReason
from orchestrator.core.session.machine import Machine
from orchestrator.core.session.missing_outputs import MissingFile
from orchestrator.kernel.reading.shapes import PLAIN_NAME, fits, leaf
from orchestrator.kernel.wire import FileEntry, Ticket

_MEMBER = re.compile(r"[1-9][0-9]{0,3}")


class Carrier(StrEnum):
    """How checkpoints reach a session."""

    NONE = "none"
    INLINE = "inline"
    KERNEL_OUTPUT = "kernel_output"
    DATASET = "dataset"


class SessionState(StrEnum):
    """State of a submitted session. Only `ENDED` is terminal.

    `SAVING`: asked to stop, and still copying its outputs. `ABSENT`: not found, or not visible yet. `UNKNOWN`: it
    exists, with a state word that we do not know.
    """

    PENDING = "pending"
    RUNNING = "running"
    SAVING = "saving"
    ENDED = "ended"
    ABSENT = "absent"
    UNKNOWN = "unknown"

    @property
    def terminal(self) -> bool:
        """Whether the state is final."""
        return self is SessionState.ENDED


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One look at a session: its state, and the events that it has reported, as `Backend.recent_events`."""

    observation: Observation
    events: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """The code of a session: a deterministic zip, its sha256, and the digest over names and bytes.

    Attributes:
        libraries: Top-level names that the code imports, beyond the project and the standard library.
    """

    digest: str
    archive: bytes
    archive_sha256: str
    names: tuple[str, ...]
    libraries: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointSet:
    """The files of a models directory that a session starts from; empty for a start from step 0.

    Attributes:
        source: An ended session whose outputs hold all of these files, with equal digests.
    """

    root: Path
    entries: tuple[FileEntry, ...]
    source: Handle | None = None

    @property
    def size_bytes(self) -> int:
        """Sum of the files' sizes."""
        return sum(entry.size_bytes for entry in self.entries)


@dataclass(frozen=True, slots=True, kw_only=True)
class Push:
    """The complete request for a session, before it is sent.

    Attributes:
        settings: Settings of this backend (accelerator, sources ...), plain JSON.
        libraries: What its code imports; see `Bundle`.
        machine: The machine and image that it asks for; None for a backend without a choice of them.
        keeps_image: Whether that image is the one of an earlier session, and not the card's.
        companions: The pushes of the other sessions in the same kernel; see `pack.combine`.
    """

    slug: str
    owner: str
    script: str
    ticket: Ticket
    carrier: Carrier
    checkpoints: CheckpointSet
    settings: Mapping[str, Any] = field(default_factory=dict)
    libraries: tuple[str, ...] = ()
    machine: Machine | None = None
    keeps_image: bool = False
    companions: tuple[Push, ...] = ()

    @property
    def sessions(self) -> tuple[Push, ...]:
        """The push of each session in the kernel, this one first."""
        return (self, *self.companions)

    def describe(self) -> dict[str, Any]:
        """The request as plain JSON, for `--dry-run`."""
        ticket = self.ticket.to_json()
        others = [one.ticket.to_json() for one in self.companions]
        return {
            "kernel": f"{self.owner}/{self.slug}",
            "private": True,
            "script_bytes": len(self.script.encode("utf-8")),
            "carrier": self.carrier.value,
            "checkpoint_bytes": sum(one.checkpoints.size_bytes for one in self.sessions),
            **self.settings,
            "ticket": ticket,
            **({"companions": others} if others else {}),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Handle:
    """Address of a submitted session: `local://local/slug`, `kaggle://owner/slug`, in a pack `kaggle://owner/slug#2`.

    Attributes:
        member: Number of the session in its pack, from 1 on; None for a session alone and for a whole kernel.
    """

    backend: str
    owner: str
    slug: str
    member: int | None = None

    def __str__(self) -> str:
        return f"{self.backend}://{self.owner}/{self.slug}" + ("" if self.member is None else f"#{self.member}")

    @classmethod
    def parse(cls, text: str) -> Handle:
        """Parse the text form.

        Raises:
            BadInput: It is not a handle.
        """
        backend, scheme, rest = text.partition("://")
        owner, slash, name = rest.partition("/")
        slug, mark, number = name.partition("#")
        whole = scheme and slash and backend and owner and slug and "/" not in slug
        if not whole or (mark and not _MEMBER.fullmatch(number)):
            raise BadInput(f"{text!r} is not a session handle", remedy="Write it as backend://owner/slug.")
        return cls(backend=backend, owner=owner, slug=slug, member=int(number) if mark else None)


def _is_handle(value: object) -> bool:
    try:
        handle = Handle.parse(value) if isinstance(value, str) else None
    except BadInput:
        return False
    return handle is not None and all(fits(PLAIN_NAME, one) for one in (handle.backend, handle.owner, handle.slug))


HANDLE = leaf("a handle such as local://local/name", _is_handle)
"""Shape of the text form of a handle."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteSession:
    """A session that exists on the backend, from any computer, with its ticket.

    Attributes:
        begun_at: When it began, aware, by the backend's clock; None if unknown.
        machine: What it ran in; None if unknown.
        kernel_sessions: Number of sessions in its kernel.
    """

    handle: Handle
    ticket: Ticket
    begun_at: datetime | None = None
    machine: Machine | None = None
    kernel_sessions: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One look at a session.

    Attributes:
        native: The backend's own word for the state, unchanged.
        note: What else the user should know about this session.
        exit_code: Exit code of the kernel process, if the backend knows it.
        reason: Why it ended, if the backend knows more than the manifest (wall limit, cancelled).
        gone: Whether it no longer exists: nothing can be fetched.
        succeeded: Whether the backend says that it ended well; such a session has left a manifest.
    """

    state: SessionState
    native: str
    note: str = ""
    exit_code: int | None = None
    reason: EndReason | None = None
    gone: bool = False
    succeeded: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Retrieval:
    """The result of a fetch.

    Attributes:
        folder: Folder with the fetched files.
        missing: What was not fetched, one sentence each.
        files: The missing files, if the backend knows them.
        steps_saved: Steps of the newest checkpoint that the session's log names, 0 if the backend does not say.
        silent: Whether the session has no line of a log, or none that can be had.
    """

    folder: Path
    missing: tuple[str, ...] = ()
    files: tuple[MissingFile, ...] = ()
    steps_saved: int = 0
    silent: bool = False
