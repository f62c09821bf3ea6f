"""A folder shaped like the machine that a Kaggle kernel sees, and the names of what lies in it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Sandbox:
    """One session's folder.

    Attributes:
        root: Holds everything below; its name is the session's slug.
    """

    root: Path

    @property
    def kaggle(self) -> Path:
        """Stands for `/kaggle`."""
        return self.root / "kaggle"

    @property
    def emptied(self) -> Path:
        """What stood for `/kaggle`, on its way out: no half of it is ever taken for the outputs."""
        return self.root / "emptied"

    @property
    def working(self) -> Path:
        """Stands for `/kaggle/working`: the session's output."""
        return self.kaggle / "working"

    @property
    def input(self) -> Path:
        """Stands for `/kaggle/input`."""
        return self.kaggle / "input"

    @property
    def scratch(self) -> Path:
        """For temporaries; never part of the output."""
        return self.root / "scratch"

    @property
    def script(self) -> Path:
        """The rendered kernel."""
        return self.root / "kernel.py"

    @property
    def log(self) -> Path:
        """Standard output and error of the kernel, as bytes."""
        return self.root / "kernel.log"

    @property
    def launch(self) -> Path:
        """What the supervisor must do; written when everything else is staged."""
        return self.root / "launch.json"

    @property
    def ticket(self) -> Path:
        """The session's ticket, so that it is known even when the ledger is lost."""
        return self.root / "ticket.json"

    @property
    def submitted(self) -> Path:
        """Written by the supervisor when it has taken its lock: the session exists from then on."""
        return self.root / "submitted.json"

    @property
    def ended(self) -> Path:
        """Exit code and reason, written by the supervisor last."""
        return self.root / "exit.json"

    @property
    def fetched(self) -> Path:
        """Present when the outputs were copied into the results."""
        return self.root / "fetched"

    @property
    def cancel(self) -> Path:
        """Present when somebody asked the session to leave."""
        return self.root / "cancel"

    @property
    def reserve(self) -> Path:
        """Room held back, so that the end can be written down on a full disk."""
        return self.root / "reserve"

    @property
    def supervisor_lock(self) -> Path:
        """Held while the supervisor lives: a lock dies with its process, a process id may be used again."""
        return self.root / "supervisor.lock"

    @property
    def kernel_lock(self) -> Path:
        """Held while the kernel lives, so that a kernel which outlives its supervisor is still seen."""
        return self.root / "kernel.lock"

    @property
    def kernel_begun(self) -> Path:
        """Made by the kernel once it holds its lock; the lock's file is there a moment before it is held."""
        return self.root / "kernel.begun"


def read_json(path: Path) -> dict[str, Any] | None:
    """A JSON object, None if the file is not there."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    plain = json.loads(text)
    return plain if isinstance(plain, dict) else None
