"""Folders of a kernel's inputs, outputs and scratch: `/kaggle`, or a sandbox with the same layout."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT_VARIABLE = "ORCHESTRATOR_KAGGLE_ROOT"
SHARED_VARIABLE = "ORCHESTRATOR_SHARED_RESULTS"
TASK_VARIABLE = "ORCHESTRATOR_TASK"
"""Number of the one session of a rendered script that this process runs, as if it were alone in the script."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """The folders of one session.

    Attributes:
        input: Read-only inputs. The platform may change their paths, so they are found by content.
        working: Saved as the session's output; starts empty.
        scratch: For temporary files; not part of the output.
        carried: Folders of inputs that the script itself contained.
        shared: Folder of results that all sessions of a project on this computer share; None without one. What is
            found there was written by other sessions, perhaps with other code: the reader must check it.
    """

    input: Path
    working: Path
    scratch: Path
    carried: tuple[Path, ...] = ()
    shared: Path | None = None

    @property
    def inputs(self) -> tuple[Path, ...]:
        """Folders to search for promised files, in this order."""
        return (*self.carried, self.input)

    @classmethod
    def from_environment(
        cls,
        environ: Mapping[str, str] = os.environ,
        *,
        scratch: Path,
        carried: tuple[Path, ...] = (),
        folder: str = "",
    ) -> Workspace:
        """The folders below `/kaggle`, or below `ORCHESTRATOR_KAGGLE_ROOT` if it is set.

        Args:
            folder: Folder of one session of a pack below the kernel's output; empty for a session alone.
        """
        root, shared = Path(environ.get(ROOT_VARIABLE, "/kaggle")), environ.get(SHARED_VARIABLE)
        return cls(
            input=root / "input",
            working=root / "working" / folder,
            scratch=scratch,
            carried=carried,
            shared=Path(shared) if shared else None,
        )
