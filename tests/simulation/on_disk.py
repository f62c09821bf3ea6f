"""Writes a simulated computer's ledger to a file, for code that reads files."""

from __future__ import annotations

from pathlib import Path

from orchestrator.stores.ledger.sqlite import SqliteLedger
from orchestrator.stores.project import Project
from tests.conftest import PROJECT_ROOT
from tests.simulation.computer import Computer


def written_down(computer: Computer, folder: Path) -> Project:
    """A project on disk whose ledger holds all events of this computer."""
    project = Project(code=PROJECT_ROOT, state=folder)
    ledger = SqliteLedger(project.own / "ledger.sqlite")
    for event in computer.ledger.events():
        ledger.record(event)
    ledger.close()
    return project
