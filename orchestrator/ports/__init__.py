"""The counters between the pipeline and the outside: Protocols only."""

from orchestrator.ports.far_side import Backend, Lists, Meters, Reads, Recalls, lists, meters, reads, recalls
from orchestrator.ports.keeping import CodeStore, Gate, Lease, Ledger, ModelsStore, Refusals, ResultsStore
from orchestrator.ports.surroundings import Clock, Narrator, Notifier, Proposer

__all__ = [
    "Backend",
    "Clock",
    "CodeStore",
    "Gate",
    "Lease",
    "Ledger",
    "Lists",
    "Meters",
    "ModelsStore",
    "Narrator",
    "Notifier",
    "Proposer",
    "Reads",
    "Recalls",
    "Refusals",
    "ResultsStore",
    "lists",
    "meters",
    "reads",
    "recalls",
]
