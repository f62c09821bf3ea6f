"""A secret that was found in content that would leave this computer."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A secret found in content that would leave this computer.

    Attributes:
        place: File, member of an archive, or field.
        line: Line number from 1, None in a binary file.
        what: Which secret; never its value.
        file: The whole file, as the user names it to allow a finding; the place itself if empty.
        match: What a rule found; empty for a secret in use.
    """

    place: str
    line: int | None
    what: str
    file: str = ""
    match: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "file", self.file or self.place)

    @property
    def id(self) -> str:
        """Identifies what a rule found without showing it; empty for a secret in use, which cannot be allowed."""
        return hashlib.sha256(self.match.encode("utf-8", "surrogatepass")).hexdigest()[:12] if self.match else ""

    def __str__(self) -> str:
        where = self.place if self.line is None else f"{self.place}, line {self.line}"
        return f"{where}: {self.what}" + (f" (finding {self.id})" if self.match else "")
