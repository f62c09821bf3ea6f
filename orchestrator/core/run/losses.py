"""Steps that were trained and are not in place: searched for first, and never trained again without a word."""

from __future__ import annotations

from orchestrator.core.checkpoint.missing import current_chain, expected_steps, is_missing, missing_fault, walked_to
from orchestrator.core.errors import CheckpointsMissing
from orchestrator.core.run.actions import Action, Adopt, Missing, Refuse
from orchestrator.core.run.request import RunRequest
from orchestrator.core.run.snapshot import Snapshot
from orchestrator.core.session.slug import place_of_slug


def may_be_elsewhere(snapshot: Snapshot, request: RunRequest) -> bool:
    """Whether checkpoints that should be in place are not, and were not searched for."""
    if snapshot.done.searched or snapshot.done.run is not None:
        return False
    if missing_steps(snapshot) is not None:
        return True
    # The ledger itself may be older than the results beside it, or be absent. `run` trusts what is in place.
    return request.starts and not snapshot.waits and _has_newer_results(snapshot, request.card.lineage.id)


def missing_steps(snapshot: Snapshot) -> int | None:
    """Steps that the ledger knows and that are not in place, None where nothing is missing."""
    chain = current_chain(snapshot.runs, snapshot.sessions)
    expected = expected_steps(chain, walked_to(snapshot.runs, chain))
    return expected if is_missing(snapshot.inventory, expected, stays=snapshot.waits) else None


def loss(snapshot: Snapshot, request: RunRequest) -> Action | None:
    """A search or a refusal, if steps that exist would be trained again; None if not."""
    if snapshot.inventory.latest is not None:
        return None
    if request.starts and not snapshot.waits and not snapshot.done.asked and snapshot.adopted is None:
        # A later session, which this ledger does not know, may have the checkpoints.
        return Adopt(what=Missing.SESSIONS)
    missing = missing_steps(snapshot)
    faults = [
        _missing_fault(snapshot, request, missing) if missing is not None else None,
        snapshot.lost,
    ]
    if snapshot.adopted is not None:
        faults.reverse()  # what the collected session itself lacks is the nearer reason
    fault = next(filter(None, faults), None)
    return Refuse(fault=fault) if fault is not None else None


def _missing_fault(snapshot: Snapshot, request: RunRequest, steps: int) -> CheckpointsMissing:
    return missing_fault(snapshot.inventory, section=request.card.section, backend=snapshot.backend, steps=steps)


def _has_newer_results(snapshot: Snapshot, lineage_id: str) -> bool:
    known = [(one.session, one.attempt) for one in snapshot.sessions if not one.never_submitted]
    here = (place_of_slug(slug, lineage_id) for slug in snapshot.result_slugs)
    return max((place for place in here if place), default=(0, 0)) > max(known, default=(0, 0))
