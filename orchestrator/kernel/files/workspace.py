"""Folders of a kernel's inputs, outputs and scratch: `/kaggle`, or a sandbox with the same layout."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT_VARIABLE = "ORCHESTRATOR_KAGGLE_ROOT"


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """The folders of one session.

    Attributes:
        input: Read-only inputs. The platform may change their paths, so they are found by content.
        working: Saved as the session's output; starts empty.
        scratch: For temporary files; not part of the output.
        carried: Folders of inputs that the script itself contained.
    """

    input: Path
    working: Path
    scratch: Path
    carried: tuple[Path, ...] = ()

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
        root = Path(environ.get(ROOT_VARIABLE, "/kaggle"))
        return cls(input=root / "input", working=root / "working" / folder, scratch=scratch, carried=carried)
