"""Where a number on the page comes from."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a number comes from.

    Attributes:
        session: Slug of the session that measured it.
        digest: Of the code that measured it, sha256 in hex; empty if unknown.
        command: The command that makes it again, or that shows it.
    """

    session: str
    digest: str = ""
    command: str = ""
