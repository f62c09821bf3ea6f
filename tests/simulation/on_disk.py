"""A simulated computer's ledger as a file, for what reads files."""

from __future__ import annotations

from pathlib import Path

from orchestrator.stores.ledger.sqlite import SqliteLedger
from orchestrator.stores.project import Project
from tests.conftest import PROJECT_ROOT
from tests.simulation.computer import Computer


def written_down(computer: Computer, folder: Path) -> Project:
    """A project in which everything happened that this computer has seen."""
    project = Project(code=PROJECT_ROOT, state=folder)
    ledger = SqliteLedger(project.own / "ledger.sqlite")
    for event in computer.ledger.events():
        ledger.record(event)
    ledger.close()
    return project
