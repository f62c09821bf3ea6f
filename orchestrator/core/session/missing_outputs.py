"""Missing files of a session's outputs, and why they are missing."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Lack(StrEnum):
    """Why a file of a session's outputs is missing."""

    UNLISTED = "unlisted"
    """The backend does not list it, or does not list it yet."""
    UNANSWERED = "unanswered"
    """The backend cannot answer now: timeout, server error, too many requests. A later look may bring it."""
    WITHHELD = "withheld"
    """The backend answers, but does not give the file."""
    DAMAGED = "damaged"
    """The fetched file is not what the manifest or the checkpoint card describes."""
    UNWRITABLE = "unwritable"
    """Its name is not possible on this computer; a later look changes nothing."""


_SHOWN_CHARS = 260


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingFile:
    """One missing file of a session's outputs.

    Attributes:
        path: Path in the backend's list or in the manifest, relative to the output folder.
        reason: Why, as text that follows the path.
    """

    path: str
    lack: Lack
    reason: str

    def __str__(self) -> str:
        name = "".join(char if char.isprintable() else ascii(char)[1:-1] for char in self.path)
        shown = name if len(name) <= _SHOWN_CHARS else f"{name[: _SHOWN_CHARS // 2]}...{name[-_SHOWN_CHARS // 4 :]}"
        return f"{shown} {self.reason}"
