"""Where a kernel's inputs, outputs and scratch are: the literal `/kaggle`, or a sandbox shaped like it."""

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
        input: Read-only inputs; where exactly an input lies below it changes with the platform's mood, so
            inputs are found by content, never by path.
        working: Saved as the session's output; starts empty.
        scratch: For what the session needs and nobody keeps.
        carried: Folders of inputs that came with the script itself.
    """

    input: Path
    working: Path
    scratch: Path
    carried: tuple[Path, ...] = ()

    @property
    def inputs(self) -> tuple[Path, ...]:
        """Every folder below which a promised file may lie, nearest first."""
        return (*self.carried, self.input)

    @classmethod
    def from_environment(
        cls, environ: Mapping[str, str] = os.environ, *, scratch: Path, carried: tuple[Path, ...] = ()
    ) -> Workspace:
        """`/kaggle`, unless the variable `ORCHESTRATOR_KAGGLE_ROOT` names a sandbox."""
        root = Path(environ.get(ROOT_VARIABLE, "/kaggle"))
        return cls(input=root / "input", working=root / "working", scratch=scratch, carried=carried)
