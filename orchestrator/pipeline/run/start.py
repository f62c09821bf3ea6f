"""Where a run starts: what the models directory holds decides, never the ledger."""

from __future__ import annotations

from orchestrator.core.checkpoint.compatibility import Compatibility, Grade, Intended, compare
from orchestrator.core.checkpoint.inventory import CheckpointInventory
from orchestrator.core.checkpoint.log_messages import TAG, incompatibility, walked_back
from orchestrator.core.checkpoint.own_files import archived_too, own_files
from orchestrator.core.checkpoint.start import Start, decide_start
from orchestrator.core.errors import BadInput
from orchestrator.core.run.request import RunRequest
from orchestrator.core.section.card import SectionCard
from orchestrator.pipeline.context import RunContext
from orchestrator.pipeline.run.missing_checkpoints import require_nothing_missing
from orchestrator.pipeline.session.loss_guard import require_nothing_lost


def open_models(context: RunContext, card: SectionCard, *, fresh: bool) -> CheckpointInventory:
    """The verified starting point.

    A directory that was emptied by hand means a fresh start of the user's own `run`: leftovers are archived and nothing
    is put back. Files of the user's own stay, and are named.

    Raises:
        BadInput: There are checkpoints and none is usable, or the ledger knows steps of which no checkpoint is left:
            starting over in silence would lose them.
    """
    view = context.models.view()
    if not fresh:
        require_nothing_lost(context, card.lineage.id, view)
        require_nothing_missing(context, card, view)
    start = decide_start(view, fresh=fresh)
    if start in (Start.ARCHIVE_FRESH, Start.ARCHIVE_LEFTOVERS):
        view = _put_aside(context, view, start)
    context.detail("own_files", *own_files(view.own, view.root.as_posix()))
    if view.latest is None:
        return view
    newer = {stem: fault for stem, fault in view.faults.items() if _newer(stem, view)}
    if newer:
        context.warn("walked_back", *walked_back(newer, f"{view.verified[0].stem}.zip"))
    return view


def _put_aside(context: RunContext, view: CheckpointInventory, start: Start) -> CheckpointInventory:
    """Move what a new beginning does not use to the archive; says where it is, and which files were the user's own."""
    fresh = start is Start.ARCHIVE_FRESH
    archive = (context.models.archive if fresh else context.models.archive_leftovers)(_token(context))
    why = "Fresh start: earlier checkpoints" if fresh else "No checkpoints: a new beginning; leftovers"
    context.warn("archived", f"{TAG} {why} are kept in {archive}")
    after = context.models.view()
    context.warn("own_files_archived", *archived_too([name for name in view.own if name not in after.own]))
    return after


def require_compatible(context: RunContext, request: RunRequest, view: CheckpointInventory) -> Compatibility | None:
    """Decide whether the latest checkpoint may be continued, before anything is spent.

    Returns:
        The comparison, None at a beginning.

    Raises:
        BadInput: It may not; the reasons were told.
    """
    if view.latest is None:
        return None
    comparison = compare(view.latest.identity, intended_by(context, request.card), has_state=view.latest.has_state)
    blocking = comparison.below(request.floor)
    if blocking:
        context.warn("incompatible", *incompatibility(blocking))
        raise BadInput(
            f"the checkpoint of {view.latest.steps} steps cannot be continued: {'; '.join(blocking)}",
            remedy="Undo the change in the card, or use --fresh: it archives the checkpoints and begins anew."
            + (_WEIGHTS_REMEDY if comparison.grade is Grade.WEIGHTS_ONLY and request.floor < Grade.EXACT else ""),
        )
    return comparison


_WEIGHTS_REMEDY = " --accept-grade weights-only begins a new training from its weights alone."


def intended_by(context: RunContext, card: SectionCard) -> Intended:
    """What the next session of a card would be, as far as anybody knows before it."""
    limits = context.backend.capabilities
    device = limits.session_device or card.device
    return Intended(
        lineage=card.lineage,
        code_digest=context.code.bundle().digest,
        versions=limits.runtime_versions,
        device_class=None if device == "auto" else device,
    )


def _newer(stem: str, view: CheckpointInventory) -> bool:
    from_stem = int(stem.rsplit("_", 2)[1])
    return from_stem > view.steps


def _token(context: RunContext) -> str:
    return context.clock.now().strftime("%Y%m%dT%H%M%S-") + context.draw_token()[:6]
