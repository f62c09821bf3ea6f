"""Interfaces between the pipeline and the outside: Protocols only."""

from orchestrator.ports.backend import Backend
from orchestrator.ports.services import Clock, Narrator, Proposer
from orchestrator.ports.stores import CodeStore, Gate, Lease, Ledger, ModelsStore, ResultsStore

__all__ = [
    "Backend",
    "Clock",
    "CodeStore",
    "Gate",
    "Lease",
    "Ledger",
    "ModelsStore",
    "Narrator",
    "Proposer",
    "ResultsStore",
]
