"""How far the sessions in flight are: reads the ledger and the event files here, takes no lock."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from orchestrator.core.campaign.expansion import Trial
from orchestrator.core.errors import BadInput, NotYet, OrchestratorError
from orchestrator.core.ledger.records import SessionRecord, Stage
from orchestrator.core.section.card import SectionCard
from orchestrator.core.session.backend_types import Handle
from orchestrator.core.session.live_progress import LiveProgress, measured
from orchestrator.ports import Backend
from orchestrator.stores.ledger.reading import ledger_for_reading
from orchestrator.stores.project import Project
from orchestrator.wiring import LOCAL, make_backend


def live_progress(
    project: Project, card: SectionCard, sessions: Iterable[SessionRecord], *, ask: bool
) -> list[LiveProgress]:
    """The sessions that are not closed.

    Args:
        card: Of their section.
        sessions: Of any state.
        ask: Whether to look once at each on its backend; without it only sessions on this computer are looked at.
    """
    return [_progress(project, card, one, ask=ask) for one in sessions if one.stage is not Stage.CLOSED]


def trials_in_flight(project: Project, trials: Iterable[Trial]) -> dict[str, LiveProgress]:
    """Lineage id -> the session in flight of a trial; asks no backend but that of this computer."""
    found: dict[str, LiveProgress] = {}
    with ledger_for_reading(project.own / "ledger.sqlite") as ledger:
        for trial in trials:
            for one in live_progress(project, trial.card, ledger.sessions(trial.lineage_id), ask=False):
                found[trial.lineage_id] = one
    return found


def _progress(project: Project, card: SectionCard, record: SessionRecord, *, ask: bool) -> LiveProgress:
    plain: dict[str, Any] = {
        "session": record.slug,
        "backend": record.backend,
        "handle": record.handle,
        "stage": record.stage.value,
        "state": "",
        "steps": record.input_steps,
        "target_steps": record.ticket["spec"]["target_steps"],
        "session_id": record.session_id,
        "stop_asked_by": record.stop_asked_by,
    }
    if record.handle is not None and (ask or record.backend == LOCAL):
        try:
            backend = make_backend(record.backend, project, card)
            handle = Handle.parse(record.handle)
            plain |= _looked(backend, handle)
            plain |= _stoppable(backend, handle, record.session_id)
        except OrchestratorError as fault:
            plain["state"] = f"its state is unknown: {fault}"
    return LiveProgress(**plain)


def _stoppable(backend: Backend, handle: Handle, session_id: int | None) -> dict[str, Any]:
    """Whether `cancel` can stop it; looks for its number in the log if the ledger lacks it."""
    why = ""
    if session_id is None and backend.capabilities.cancel_needs_id:
        try:
            session_id = backend.identify(handle)
        except (BadInput, NotYet) as fault:
            why = str(fault)
    return {"session_id": session_id, "can_cancel": backend.capabilities.can_stop(session_id), "why_not": why}


def _looked(backend: Backend, handle: Handle) -> dict[str, Any]:
    seen = measured(backend.recent_events(handle))
    return {"state": backend.observe(handle).native, **seen}
