"""What one start of a session has stored: its index, as the driver writes it. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from orchestrator.core.timestamps import parse_timestamp
from orchestrator.kernel.reading.json_text import Unreadable, read_json
from orchestrator.kernel.reading.shapes import (
    COUNT,
    DIGEST,
    FILE_ENTRY,
    FLAG,
    TEXT,
    fields,
    items,
    optional,
    pair,
    require,
    whole,
)
from orchestrator.kernel.wire import MODEL_SUFFIX, FileEntry, checkpoint_steps

NAMES = ("index-0.json", "index-1.json")
"""The driver writes them in turn, so that a kill while one is written leaves the other."""

_INDEX = fields(
    {
        **{"number": whole(1), "nonce": TEXT, "begun_at": TEXT, "at": TEXT, "asked": FLAG, "ended": FLAG},
        **{"exit_code": optional(whole(-255, 255)), "files": items(FILE_ENTRY), "left": items(pair(TEXT, TEXT))},
        "log": optional(fields({"size_bytes": COUNT, "sha256": DIGEST}, others=True)),
    },
    others=True,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """What a start has stored.

    Attributes:
        start: Name of the start.
        number: Of this version of the index.
        begun_at: When it began, by the node's clock.
        at: When this index was written.
        asked: Whether it was asked to stop.
        exit_code: Of its kernel; None while it runs.
        log: Digest of its log.
        files: Its outputs.
        left: Outputs that it could not store, each with the reason.
    """

    start: str
    number: int
    nonce: str
    begun_at: str
    at: datetime | None
    asked: bool
    ended: bool
    exit_code: int | None
    log: str | None
    files: tuple[FileEntry, ...]
    left: tuple[tuple[str, str], ...]

    @property
    def latest_steps(self) -> int:
        """Steps of the newest checkpoint among the files, by its name."""
        paths = (entry.path for entry in self.files if entry.path.endswith(MODEL_SUFFIX))
        stems = (path.rpartition("/")[2].removesuffix(MODEL_SUFFIX) for path in paths)
        return max((checkpoint_steps(stem) or 0 for stem in stems), default=0)

    def digest_of(self, path: str) -> str | None:
        """Digest of a file, None if it was not stored."""
        return next((entry.sha256 for entry in self.files if entry.path == path), None)


def newest(start: str, contents: Mapping[str, bytes]) -> Index | None:
    """The newest readable index of a start; None if there is none.

    Args:
        contents: Name of the file -> content.
    """
    read = [index for name, content in contents.items() if (index := _read(start, name, content)) is not None]
    return max(read, key=lambda index: index.number, default=None)


def _read(start: str, name: str, content: bytes) -> Index | None:
    try:
        plain: dict[str, Any] = read_json(content, name)
        require(_INDEX, plain, name)
    except Unreadable:
        return None  # it was cut off while it was written
    return Index(
        start=start,
        **{name: plain[name] for name in ("number", "nonce", "begun_at", "asked", "ended", "exit_code")},
        at=parse_timestamp(plain["at"]),
        log=(plain["log"] or {}).get("sha256"),
        files=tuple(FileEntry(**entry) for entry in plain["files"]),
        left=tuple((path, why) for path, why in plain["left"]),
    )
