"""The forms passed over the counter between the pipeline and a backend."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from orchestrator.core.errors import BadInput
from orchestrator.core.session.end_reason import EndReason
from orchestrator.core.session.missing_outputs import MissingFile
from orchestrator.kernel.wire import FileEntry, Ticket


class Carrier(StrEnum):
    """How checkpoints travel in."""

    NONE = "none"
    INLINE = "inline"
    KERNEL_OUTPUT = "kernel_output"
    DATASET = "dataset"


class SessionState(StrEnum):
    """State of a submitted session. Only `ENDED` is terminal.

    `SAVING` was asked to leave and still copies its outputs; `ABSENT` is not there, or not yet; `UNKNOWN` is there
    and its state has a word that we do not know.
    """

    PENDING = "pending"
    RUNNING = "running"
    SAVING = "saving"
    ENDED = "ended"
    ABSENT = "absent"
    UNKNOWN = "unknown"

    @property
    def terminal(self) -> bool:
        """Whether nothing more will happen."""
        return self is SessionState.ENDED


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a backend can do, as data.

    Attributes:
        max_script_bytes: Largest script it takes.
        max_wall_s: Longest session, None without a limit.
        look_every_s: Shortest and longest pause between two looks.
        owner: Account in handles and folder names.
        device: What it computes on, for the first line of output.
        runtime_versions: Versions of the libraries in a session where they are known before it starts.
        streams_log: Whether `follow` waits for new lines until the log is complete.
        late_outputs: Whether outputs may still be missing when the state says that the session has ended.
        absent_patience_s: How long a submitted session may be absent before it is believed to be gone.
        visibility_s: How long a submitted session may stay invisible to `find`: only after that is absence believed.
        remembers: Whether `Backend.recall` knows every session that was never fetched, even without the ledger.
        session_device: Device that the sections compute on there, None where the card decides.
    """

    owner: str
    device: str
    max_script_bytes: int
    max_wall_s: float | None
    look_every_s: tuple[float, float]
    can_cancel: bool
    carriers: tuple[Carrier, ...]
    runtime_versions: Mapping[str, str]
    streams_log: bool = False
    late_outputs: bool = False
    absent_patience_s: float = 10.0
    visibility_s: float = 0.0
    remembers: bool = False
    session_device: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """The code that goes in: deterministic zip, its sha256, and the digest over names and bytes."""

    digest: str
    archive: bytes
    archive_sha256: str
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointSet:
    """The files of a models directory that a session starts from; empty at a beginning.

    Attributes:
        source: An ended session whose outputs hold every one of these files, byte for byte.
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
    """The complete prepared request, before sending. Prints itself.

    Attributes:
        settings: What this backend adds of its own (accelerator, sources ...), plain JSON.
    """

    slug: str
    owner: str
    script: str
    ticket: Ticket
    carrier: Carrier
    checkpoints: CheckpointSet
    settings: Mapping[str, Any] = field(default_factory=dict)

    def describe(self) -> dict[str, Any]:
        """What would be sent, as plain JSON, for `--dry-run`."""
        ticket = self.ticket.to_json()
        return {
            "kernel": f"{self.owner}/{self.slug}",
            "private": True,
            "script_bytes": len(self.script.encode("utf-8")),
            "carrier": self.carrier.value,
            "checkpoint_bytes": self.checkpoints.size_bytes,
            **self.settings,
            "ticket": ticket,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Handle:
    """Text pointer to a submitted session: `local://local/slug`, `kaggle://owner/slug`."""

    backend: str
    owner: str
    slug: str

    def __str__(self) -> str:
        return f"{self.backend}://{self.owner}/{self.slug}"

    @classmethod
    def parse(cls, text: str) -> Handle:
        """Read the text form.

        Raises:
            BadInput: It is not a handle.
        """
        backend, scheme, rest = text.partition("://")
        owner, slash, slug = rest.partition("/")
        if not (scheme and slash and backend and owner and slug) or "/" in slug:
            raise BadInput(f"{text!r} is not a session handle", remedy="A handle reads backend://owner/slug.")
        return cls(backend=backend, owner=owner, slug=slug)


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteSession:
    """A session that exists over there, whoever submitted it, with what it was told.

    Attributes:
        begun_at: When it began, aware, by the far side's clock; None where that does not tell.
    """

    handle: Handle
    ticket: Ticket
    begun_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One look at a session.

    Attributes:
        native: The backend's own word for the state, kept verbatim.
        exit_code: Exit code of the kernel process where the backend knows it.
        reason: Why it ended, where the backend knows better than the manifest (wall limit, cancelled).
        note: What the user should know of this session besides its state.
        gone: Whether it ended by not being there any more: nothing can be fetched of it.
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
    """What a fetch brought.

    Attributes:
        folder: Where it lies.
        missing: What did not come, one sentence each.
        files: The same file by file, where the backend knows.
    """

    folder: Path
    missing: tuple[str, ...] = ()
    files: tuple[MissingFile, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """What an account may still compute.

    Attributes:
        resource: What is counted, e.g. `GPU`.
        reserved_s: Held back for sessions that are running.
        refresh_at: When the window starts anew, aware UTC, None if unknown.
    """

    resource: str
    used_s: float
    reserved_s: float
    allowed_s: float
    refresh_at: datetime | None = None

    @property
    def left_s(self) -> float:
        """Seconds that a new session may still use."""
        return max(0.0, self.allowed_s - self.used_s - self.reserved_s)
