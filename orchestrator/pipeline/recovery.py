"""Rebuilding what an ephemeral computer does not have: ledger, results and checkpoints, from the far side alone."""

from __future__ import annotations

from orchestrator.core.naming import section_prefix
from orchestrator.pipeline.campaign import Desk
from orchestrator.pipeline.reading_back import listed_names, take_up_existing


def recover(desk: Desk) -> int:
    """Take up every session of the campaign that exists over there and is not in the ledger.

    They count as in flight until the next tick has looked at them; it brings home what has ended, oldest first.

    Returns:
        How many were taken up.

    Raises:
        BadInput: The backend cannot be read back.
        RemoteUnavailable: It is away; what was taken up stays so.
    """
    taken = 0
    listed: dict[str, tuple[str, ...]] = {}
    for trial in desk.trials:
        parts, section = desk.parts_of(trial.card), trial.card.section
        if section not in listed:
            listed[section] = listed_names(parts.backend, section_prefix(section))
        with parts.models.locked():
            taken += take_up_existing(parts, section, trial.lineage_id, listed[section])
    return taken
