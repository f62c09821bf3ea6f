"""Trainings that a search began and proposes no longer: recognised by what they are, since nothing else tells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.core.campaign.config import Group
from orchestrator.core.campaign.expansion import CardOf, Trial, variant_of
from orchestrator.core.errors import BadInput
from orchestrator.core.section.overrides import Setting


def trial_of_search(
    name: str, group: Group, lineage_id: str, lineage: Mapping[str, Any], card_of: CardOf
) -> Trial | None:
    """The training as this group would name it; None if it differs from the group in more than its search's keys.

    Args:
        lineage: Plain form of the lineage, as its tickets have it.
    """
    if group.search is None or lineage["section"] != group.section:
        return None
    cell: dict[str, Setting] = {}
    for key in group.search.space:
        value = _value(key, lineage)
        if value is None:
            return None
        cell[key] = value
    try:
        variant = variant_of(name, group, cell, card_of, index=-1)
    except BadInput:
        return None
    seed = int(lineage["seed"])
    if next(variant.card.lineage.ids_of((seed,))) != lineage_id:
        return None
    return Trial(index=-1, variant=variant, seed=seed, rank=0, lineage_id=lineage_id)


def _value(key: str, lineage: Mapping[str, Any]) -> Setting | None:
    """What a lineage has for a key of the card; None for a key that is not part of it."""
    parts = key.split(".")
    if parts[0] == "algorithms":
        if parts[1:2] != [lineage["algorithm"]]:
            return None
        parts = ["hyper_parameters", *parts[2:]]
    found: Any = lineage
    for part in parts:
        found = found.get(part) if isinstance(found, Mapping) else None
    return found if isinstance(found, bool | int | float | str | list) else None
