"""What the ledger and the cards say about the use of a GPU, for `doctor` and `run --dry-run`."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.core.diagnostics.health_check import Check
from orchestrator.core.errors import BadInput
from orchestrator.core.scheduling.gpu_use import CPU_REMEDY, gpu_advice, kind_speeds
from orchestrator.stores.ledger.reading import ledger_for_reading
from orchestrator.stores.project import Project
from orchestrator.stores.section.card_yaml import card_names, load_card


def gpu_checks(project: Project) -> Iterator[Check]:
    """A check for each section whose pushes ask for a GPU that has nothing to do, or whose card cannot be read."""
    with ledger_for_reading(project.own / "ledger.sqlite") as ledger:
        records = ledger.sessions()
    for name in card_names(project.cards):
        try:
            card = load_card(project.cards, name)
        except BadInput as fault:
            found = f"not checked, its card is wrong: {fault}"
            yield Check(name=f"{name} GPU", good=None, found=found, remedy=fault.remedy)
            continue
        if advice := gpu_advice(card, kind_speeds(records, card)):
            yield Check(name=f"{name} GPU", good=None, found=advice, remedy=CPU_REMEDY)
