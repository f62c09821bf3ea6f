"""What a session is given: its checkpoints, where they come from, and its deadline."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from orchestrator.core.checkpoint.inventory import CheckpointInventory
from orchestrator.core.checkpoint.transport import manifest_holds
from orchestrator.core.run.request import RunRequest
from orchestrator.core.section.card import Profile, SectionCard
from orchestrator.core.session.backend_types import CheckpointSet, Handle
from orchestrator.core.session.spec import SessionSpec
from orchestrator.core.session.time_budget import session_wall_s
from orchestrator.pipeline.context import RunContext


def checkpoint_set(context: RunContext, card: SectionCard, view: CheckpointInventory) -> CheckpointSet:
    """The files in the models directory, and a session on the backend whose outputs hold exactly these, if any."""
    checkpoints = CheckpointSet(root=view.root, entries=view.entries)
    if not view.entries:
        return checkpoints
    for record in reversed(context.ledger.sessions(card.lineage.id)):
        if record.backend != context.backend.name or record.handle is None or record.results_dir is None:
            continue
        if record.swept:
            continue  # its kernel was deleted
        manifest, faults = context.results.manifest(Path(record.results_dir))
        if manifest is not None and not faults and manifest_holds(manifest, card.directory, view.entries):
            return replace(checkpoints, source=Handle.parse(record.handle))
    return checkpoints


def session_spec(context: RunContext, request: RunRequest, sizes: Profile) -> SessionSpec:
    """The spec of the next session, its deadline within what platform and quota allow.

    A campaign's tick has read the quota once and divided it: for its sessions it is not read again.

    Raises:
        NotYet: The quota left is too short for a useful session.
    """
    limits = context.backend.capabilities
    quota = context.backend.quota() if context.waits else None
    deadline_s = session_wall_s(sizes.deadline_s, platform_s=limits.max_wall_s, quota=quota)
    return SessionSpec(
        card=request.card,
        profile=request.profile,
        sizes=sizes if deadline_s == sizes.deadline_s else replace(sizes, deadline_s=deadline_s),
        backend=context.backend.name,
        session_device=limits.session_device,
        accept_grade=request.accept_grade,
        proof=request.proof,
    )
