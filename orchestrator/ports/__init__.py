"""Interfaces between the pipeline and the outside: Protocols only."""

from orchestrator.ports.backend import Backend
from orchestrator.ports.services import Clock, Narrator, Notifier, Proposer
from orchestrator.ports.stores import CodeStore, Gate, Lease, Ledger, ModelsStore, Refusals, ResultsStore

__all__ = [
    "Backend",
    "Clock",
    "CodeStore",
    "Gate",
    "Lease",
    "Ledger",
    "ModelsStore",
    "Narrator",
    "Notifier",
    "Proposer",
    "Refusals",
    "ResultsStore",
]
