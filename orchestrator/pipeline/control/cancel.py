"""Ask the session in flight to save and stop, and collect its outputs, from any shell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from orchestrator.core.errors import BadInput, InUse
from orchestrator.core.ledger.events import EventKind
from orchestrator.core.ledger.records import AskedBy, SessionRecord, Stage
from orchestrator.core.run.snapshot import open_sessions
from orchestrator.core.section.card import SectionCard
from orchestrator.core.session.end_reason import EFFECTS, Effect, EndReason
from orchestrator.pipeline.context import RunContext
from orchestrator.pipeline.run.reports import report_troubles
from orchestrator.pipeline.session.lifecycle import abandon, finish_session
from orchestrator.pipeline.session.stop import ID_PATIENCE_S, STOP_PATIENCE_S, ask_once_identified, wait_for_stop
from orchestrator.pipeline.session.submit import confirmed

_LOOK_EVERY_S = 0.5
"""Pause between two tries to get the lock that a watching command holds."""

_OTHER_PATIENCE_S = ID_PATIENCE_S + STOP_PATIENCE_S
"""Longest wait for another command to collect the session."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancelled:
    """What became of a session that was asked to stop.

    Attributes:
        record: Of the session, closed.
        by_other: Whether another command, which was watching it, collected its outputs.
    """

    record: SessionRecord
    by_other: bool

    def to_json(self) -> dict[str, Any]:
        """Plain JSON form."""
        record = self.record
        return {
            "session": record.slug,
            "handle": record.handle,
            "end_reason": record.end_reason,
            "steps_start": record.steps_begun,
            "steps_saved": record.models_steps,
            "restored": list(record.restored),
            "results_dir": record.results_dir,
            "problems": list(record.problems),
            "collected_by_other_command": self.by_other,
        }


def cancel_sessions(context: RunContext, card: SectionCard) -> list[Cancelled]:
    """Stop the sessions in flight of a training, and put what they saved in place.

    Without the lock of the models directory, another command is watching: it collects the session and then ends. This
    waits for that. If the other command is killed meanwhile, this one collects.

    Raises:
        BadInput: No session is in flight, or the backend cannot stop this one. Nothing was changed.
        RemoteUnavailable: The backend cannot be reached, or the session has not ended in time. It goes on.
    """
    found = _open(context, card)
    if not found:
        raise _nothing_to_cancel(context, card)
    _require_can_cancel(context, card, found[0])
    asked: dict[str, SessionRecord] = {}
    closed: dict[str, Cancelled] = {}
    began_s = context.clock.monotonic()
    while True:
        for record in _open(context, card):
            _ask(context, record, asked)
        try:
            with context.models.locked():
                context.models.recover()
                for record in _open(context, card):
                    closed[record.key] = _collect(context, record)
                break
        except InUse:
            if context.clock.monotonic() - began_s > _OTHER_PATIENCE_S:
                raise
            context.clock.sleep(_LOOK_EVERY_S)
    return [closed.get(key) or _closed(context, key) for key in dict.fromkeys((*asked, *closed))]


def _open(context: RunContext, card: SectionCard) -> tuple[SessionRecord, ...]:
    return open_sessions(context.ledger.sessions(card.lineage.id), context.backend.name)


def _nothing_to_cancel(context: RunContext, card: SectionCard) -> BadInput:
    others = [one for one in context.ledger.open_sessions() if one.ticket["section"] == card.section]
    if not others:
        return BadInput(
            f"no session of {card.section} is in flight on {context.backend.name}",
            remedy="`python -m orchestrator status` shows what has run.",
        )
    shown = ", ".join(map(_shown, others))
    return BadInput(
        f"no session of {card.section} is in flight on {context.backend.name} with these options",
        remedy=f"In flight: {shown}. Give the options of that training: --backend, --algorithm, --seed, --set.",
    )


def _shown(record: SessionRecord) -> str:
    lineage = record.ticket["spec"].get("lineage") or {}
    algorithm = f"{lineage['algorithm']}, " if lineage.get("algorithm") else ""
    return f"{record.slug} ({record.backend}, {algorithm}seed {lineage.get('seed')})"


def _require_can_cancel(context: RunContext, card: SectionCard, record: SessionRecord) -> None:
    if context.backend.capabilities.can_cancel:
        return
    raise BadInput(
        f"{context.backend.name} offers no way to stop a session from here: {record.slug} goes on",
        remedy=f"Stop it on the service's own page, then collect what it saved: "
        f"`python -m orchestrator fetch {card.section}`, with the same options.",
    )


def _ask(context: RunContext, record: SessionRecord, asked: dict[str, SessionRecord]) -> None:
    """Ask a submitted session to stop, once."""
    if record.handle is None or record.key in asked:
        return
    asked[record.key] = record
    if record.stage is Stage.SUBMITTED:
        ask_once_identified(context, record, AskedBy.USER)
        context.info("asked_to_stop", f"Asked {record.slug} to save and stop")


def _collect(context: RunContext, record: SessionRecord) -> Cancelled:
    """Wait for the end of a session under the lock, and put what it saved in place."""
    submitted = confirmed(context, record)
    if submitted is None:
        abandon(context, record)
    else:
        if record.handle is None:  # its command died before it noted that the session exists
            _ask(context, submitted, {})
        closed = finish_session(context, submitted, wait_for_stop(context, submitted), context.models.view())
        if EFFECTS[closed.judgement.end_reason] is not Effect.HALT:
            report_troubles(context, closed)
        _end_run(context, submitted, closed.judgement.end_reason, closed.steps_in_place)
    return Cancelled(record=_closed(context, record.key).record, by_other=False)


def _end_run(context: RunContext, record: SessionRecord, end: EndReason, steps: int) -> None:
    """Record that a person ended the run; else the next `run` would continue it, and end as stopped at once."""
    run = next(one for one in context.ledger.runs(record.lineage_id) if one.run_id == record.run_id)
    if run.ended_at is None and EFFECTS[end] is Effect.HALT:
        context.record(EventKind.RUN_ENDED, run.run_id, end_reason=end.value, verdict=None, steps_done=steps)


def _closed(context: RunContext, key: str) -> Cancelled:
    record = context.ledger.session(key)
    if record is None:
        raise ValueError(f"{key} is not in the ledger")
    return Cancelled(record=record, by_other=True)
