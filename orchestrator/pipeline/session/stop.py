"""Ask a session in flight to stop, and wait for its end within bounds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from orchestrator.core.errors import BadInput, NotYet, RemoteUnavailable
from orchestrator.core.ledger.events import EventKind
from orchestrator.core.ledger.records import AskedBy, SessionRecord
from orchestrator.core.session.backend_types import Handle, Observation
from orchestrator.pipeline.context import RunContext
from orchestrator.pipeline.session.look import EndCheck
from orchestrator.pipeline.session.watch import watch

ID_PATIENCE_S = 900.0
"""Longest wait for a session to show its number: it may be queued, or its machine may still be starting."""
STOP_PATIENCE_S = 1800.0
"""Longest wait for the end of a session that was asked to stop; saving outputs takes minutes."""

_LOOK_AGAIN_S = 15.0


class StillRunning(RemoteUnavailable):
    """A session could not be asked to stop, or has not stopped, within the time that this takes at most."""


def ask_to_stop(context: RunContext, record: SessionRecord, by: AskedBy) -> None:
    """Ask a submitted session to save and stop. Repeatable: a request may be lost.

    The ledger has the request before it is sent, so that the end of the session does not count as a crash.

    Raises:
        NotYet: The session has not shown the number that the backend needs; nothing was asked.
        BadInput: It cannot be stopped from here and goes on. A refusal after an earlier request is only reported.
            Where the user asks for one session of a pack, the request is noted as well.
        RemoteUnavailable: The request may have been lost.
    """
    handle = Handle.parse(str(record.handle))
    session_id = record.session_id
    if session_id is None:
        session_id = context.backend.identify(handle)
        note_session_id(context, record, session_id)
    if record.stop_asked_by is None:
        context.record(EventKind.SESSION_STOP_ASKED, record.run_id, record.key, by=by.value)
    alone = context.backend.stops_alone(handle)
    if not alone and (others := _unasked(context, record)):
        return _noted(context, record, others, by)
    try:
        context.backend.cancel(handle if alone else replace(handle, member=None), session_id)
    except (BadInput, NotYet) as fault:
        if record.stop_asked_by is not None:  # the state may lag behind an earlier request
            return context.warn("asked_before", f"{record.slug} was asked to stop before; this time: {fault}")
        context.record(EventKind.SESSION_STOP_ASKED, record.run_id, record.key, by=None)
        raise
    return None


def _unasked(context: RunContext, record: SessionRecord) -> list[SessionRecord]:
    """Other sessions in the same kernel that are in flight and were not asked to stop."""
    return [
        one
        for one in context.ledger.open_sessions()
        if record.kernel is not None
        and (one.backend, one.kernel, one.stop_asked_by) == (record.backend, record.kernel, None)
        and one.key != record.key
    ]


def _noted(context: RunContext, record: SessionRecord, others: Sequence[SessionRecord], by: AskedBy) -> None:
    """Say that a session of a pack goes on until the others are asked to stop as well."""
    why = f"{record.slug} shares its kernel with {len(others)} session(s) that go on: it can only stop with them"
    if by is AskedBy.USER:
        raise BadInput(
            why,
            remedy="The request is noted: no further session follows it, and the kernel stops once all its sessions "
            f"are asked to ({', '.join(one.slug for one in others)}).",
        )
    if record.stop_asked_by is None:
        context.warn("pack_goes_on", why)


def ask_once_identified(context: RunContext, record: SessionRecord, by: AskedBy) -> None:
    """As `ask_to_stop`; waits until the session has shown its number, or has ended.

    Raises:
        StillRunning: It has not shown it within a quarter of an hour.
        BadInput: It cannot be stopped from here and goes on.
        RemoteUnavailable: The request may have been lost.
    """
    began_s, said = context.clock.monotonic(), False
    while True:
        try:
            return ask_to_stop(context, record, by)
        except NotYet as fault:
            if context.clock.monotonic() - began_s > ID_PATIENCE_S:
                raise StillRunning(str(fault), remedy=f"It goes on. {fault.remedy}") from fault
            if not said:
                context.info("waiting_for_number", f"{fault}: waiting for it")
                said = True
            context.clock.sleep(fault.wait_s or _LOOK_AGAIN_S)
        record = context.ledger.session(record.key) or record


def wait_for_stop(context: RunContext, record: SessionRecord) -> Observation:
    """The end of a session that was asked to stop.

    Raises:
        StillRunning: It has not ended within half an hour. It stays open.
        RemoteUnavailable: The backend could not be asked for half an hour.
    """
    handle, began_s = Handle.parse(str(record.handle)), context.clock.monotonic()
    check = EndCheck(context, record, handle)

    def end_of(observation: Observation) -> Observation | None:
        end = check.end_of(observation)
        waited_s = context.clock.monotonic() - began_s
        if end is None and waited_s > STOP_PATIENCE_S:
            raise StillRunning(
                f"{record.slug} was asked to stop {waited_s / 60:.0f} minutes ago and is still {observation.native}",
                remedy="It stays open: the same command asks again and collects what it has saved.",
            )
        return end

    # A live log that goes on would keep the watch from looking at the state.
    return watch(context, handle, end_of, shows_log=not context.backend.capabilities.streams_log)


def note_session_id(context: RunContext, record: SessionRecord, session_id: int | None) -> None:
    """Write the backend's number of a session into the ledger, once."""
    known = context.ledger.session(record.key) or record
    if session_id is not None and session_id != known.session_id:
        context.record(EventKind.SESSION_IDENTIFIED, record.run_id, record.key, session_id=session_id)
