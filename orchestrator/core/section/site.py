"""Where a session runs: a backend, and on Kaggle the kind of session."""

from __future__ import annotations

from typing import NamedTuple

from orchestrator.core.section.session_kind import SessionKind

KAGGLE = "kaggle"
"""The only backend with kinds of sessions, and with a weekly quota."""

SLURM = "slurm"
"""The only backend that takes several sessions in one submit, each with a machine of its own."""


class Site(NamedTuple):
    """One backend, or one kind of its sessions.

    Attributes:
        backend: Its name.
        kind: None on a backend without kinds.
    """

    backend: str
    kind: SessionKind | None = None

    @property
    def words(self) -> str:
        """For the user, e.g. `GPU sessions of kaggle`."""
        return f"{self.kind.value.upper()} sessions of {self.backend}" if self.kind else f"sessions of {self.backend}"


def site_of(backend: str, kind: SessionKind | None) -> Site:
    """The site of a session; on Kaggle, one of an unknown kind counts as a GPU session.

    Args:
        kind: As in `SessionRecord.kind`.
    """
    return Site(backend, (kind or SessionKind.GPU) if backend == KAGGLE else None)
