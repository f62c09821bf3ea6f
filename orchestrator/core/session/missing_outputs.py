"""Files of a session's outputs that are not here, and why."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Lack(StrEnum):
    """Why a file of a session's outputs is not here."""

    UNLISTED = "unlisted"
    """The backend does not list it, or not yet."""
    UNANSWERED = "unanswered"
    """The backend cannot answer now: no answer, a server's fault, too many requests. Another look may bring it."""
    WITHHELD = "withheld"
    """The backend answers, and does not give it."""
    DAMAGED = "damaged"
    """What came is not what its manifest or its checkpoint card describes."""
    UNWRITABLE = "unwritable"
    """Its name cannot exist on this computer; no further look changes that."""


_SHOWN_CHARS = 260


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingFile:
    """One file of a session's outputs that is not here.

    Attributes:
        path: As the backend or the manifest names it, relative to the output folder.
        reason: Why, as words that follow the path.
    """

    path: str
    lack: Lack
    reason: str

    def __str__(self) -> str:
        name = "".join(char if char.isprintable() else ascii(char)[1:-1] for char in self.path)
        shown = name if len(name) <= _SHOWN_CHARS else f"{name[: _SHOWN_CHARS // 2]}...{name[-_SHOWN_CHARS // 4 :]}"
        return f"{shown} {self.reason}"
