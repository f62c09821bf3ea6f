"""Where a run starts: what the models directory says, never what the ledger remembers."""

from __future__ import annotations

from kernel_templates.kernel_runtime.wire import Ticket
from orchestrator.core.checkpoint_log import TAG, incompatibility, walked_back
from orchestrator.core.compatibility import Compatibility, Grade, Intended, compare
from orchestrator.core.errors import BadInput
from orchestrator.core.exchange import Handle
from orchestrator.core.models import ModelsView
from orchestrator.core.records import SessionRecord, Stage
from orchestrator.core.sections import SectionCard
from orchestrator.pipeline.parts import Parts
from orchestrator.pipeline.session import ClosedSession, abandon, carry, close_unrestored
from orchestrator.pipeline.submitting import settle

FLOORS = {"exact": Grade.EXACT, "statistical": Grade.STATISTICAL}


def adopt(parts: Parts, lineage_id: str, *, fresh: bool) -> ClosedSession | None:
    """Carry on a session that an earlier command left in flight, instead of starting a second one.

    Args:
        lineage_id: The lineage at hand.
        fresh: The user wants to begin anew: what is in flight is asked to leave, and nothing of it is used.

    Returns:
        The session, carried to its end; None when nothing was in flight.
    """
    closed: ClosedSession | None = None
    for record in _open_sessions(parts, lineage_id):
        ticket = Ticket.from_json(record.ticket)
        # Nobody knows when within its stage the earlier command died: the window counts from now.
        handle = Handle.parse(record.handle) if record.handle else settle(parts, ticket, record.slug, parts.clock.now())
        if handle is None:
            abandon(parts, record)
        elif fresh:
            _let_go(parts, handle)
            close_unrestored(parts, record)
        else:
            parts.narrator.say(f"Found session {record.slug} of an earlier command: carrying it on")
            closed = carry(parts, ticket, handle)
    return closed


def _let_go(parts: Parts, handle: Handle) -> None:
    parts.backend.cancel(handle)
    if not parts.backend.capabilities.can_cancel:
        parts.narrator.say(
            f"{handle} is still running and cannot be stopped from here; its results will not be used.",
            "Stop it on the service's own page to spare its quota.",
        )


def open_models(parts: Parts, *, fresh: bool) -> ModelsView:
    """The verified starting point.

    Emptied by hand means a new beginning: leftovers are archived and nothing is brought back.

    Raises:
        BadInput: There are checkpoints and none is usable: beginning anew in silence would lose them.
    """
    view = parts.models.view()
    if fresh and (view.verified or view.faults or view.leftovers):
        archive = parts.models.archive(_token(parts))
        parts.narrator.say(f"{TAG} Fresh start: earlier checkpoints are kept in {archive}")
        return parts.models.view()
    if view.verified:
        newer = {stem: fault for stem, fault in view.faults.items() if _newer(stem, view)}
        if newer:
            parts.narrator.say(*walked_back(newer, f"{view.verified[0].stem}.zip"))
        return view
    if view.faults:
        reasons = "; ".join(f"{stem}: {fault}" for stem, fault in view.faults.items())
        raise BadInput(
            f"no checkpoint in {view.root} is usable ({reasons})",
            remedy="Put the missing files back, or use --fresh to archive them and begin anew.",
        )
    if view.leftovers:
        archive = parts.models.archive(_token(parts))
        parts.narrator.say(f"{TAG} No checkpoints: a new beginning; leftovers are kept in {archive}")
        return parts.models.view()
    return view


def require_compatible(parts: Parts, card: SectionCard, view: ModelsView, code_digest: str) -> Compatibility | None:
    """Decide whether the latest checkpoint may be continued, before anything is spent.

    Returns:
        The comparison, None at a beginning.

    Raises:
        BadInput: It may not; the reasons were told.
    """
    if view.latest is None:
        return None
    intended = Intended(
        lineage=card.lineage,
        code_digest=code_digest,
        versions=parts.backend.capabilities.runtime_versions,
        device_class=None if card.device == "auto" else card.device,
    )
    comparison = compare(view.latest.identity, intended)
    if comparison.grade < FLOORS[card.resume_floor]:
        blocking = [str(reason) for reason in comparison.reasons if reason.grade < FLOORS[card.resume_floor]]
        parts.narrator.say(*incompatibility(blocking))
        raise BadInput(
            f"the checkpoint of {view.latest.steps} steps cannot be continued: {'; '.join(blocking)}",
            remedy="Undo the change in the card, or use --fresh: it archives the checkpoints and begins anew.",
        )
    return comparison


def _open_sessions(parts: Parts, lineage_id: str) -> list[SessionRecord]:
    return [
        record
        for record in parts.ledger.sessions(lineage_id)
        if record.stage is not Stage.CLOSED and record.backend == parts.backend.name
    ]


def _newer(stem: str, view: ModelsView) -> bool:
    from_stem = int(stem.rsplit("_", 2)[1])
    return from_stem > view.steps


def _token(parts: Parts) -> str:
    return parts.clock.now().strftime("%Y%m%dT%H%M%S-") + parts.draw_token()[:6]
