"""Rebuilding what an ephemeral computer does not have: ledger, results and checkpoints, from the far side alone."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.core.errors import BadInput
from orchestrator.core.exchange import Existing
from orchestrator.core.expansion import Trial
from orchestrator.core.naming import session_slug
from orchestrator.pipeline.campaign import Desk
from orchestrator.pipeline.opening import take_up
from orchestrator.ports import Reads

_GAP = 2
"""So many numbers in a row without a kernel are the end of a lineage: somebody may have deleted one."""


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
    for trial in desk.trials:
        parts = desk.parts_of(trial.card)
        backend = parts.backend
        if not isinstance(backend, Reads):
            raise BadInput(f"{backend.name} cannot be read back", remedy="Keep the ledger in a cache instead.")
        with parts.models.locked():
            for existing in _existing(backend, trial):
                taken += take_up(parts, existing)
    return taken


def _existing(backend: Reads, trial: Trial) -> Iterator[Existing]:
    """Sessions of a lineage, by the names that they must have."""
    session, absent = 1, 0
    while absent < _GAP:
        attempt = 1
        while (found := _read(backend, trial, session, attempt)) is not None:
            yield found
            attempt += 1
        absent = 0 if attempt > 1 else absent + 1
        session += 1


def _read(backend: Reads, trial: Trial, session: int, attempt: int) -> Existing | None:
    slug = session_slug(trial.variant.card.section, trial.lineage_id, session, attempt)
    found = backend.read(slug)
    return found if found is not None and found.ticket.lineage_id == trial.lineage_id else None
