"""A session at its end, and what it left in place."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from orchestrator.core.checkpoint.inventory import CheckpointInventory
from orchestrator.core.session.judgement import Judgement


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosedSession:
    """A session that has ended, with its outputs fetched, judged and restored.

    Attributes:
        restored: Names of the checkpoint files that its restore put in place.
        inventory: What is in place now.
    """

    judgement: Judgement
    results_dir: Path
    restored: tuple[str, ...]
    inventory: CheckpointInventory

    @property
    def steps_in_place(self) -> int:
        """Steps of the newest checkpoint in place."""
        return self.inventory.steps
