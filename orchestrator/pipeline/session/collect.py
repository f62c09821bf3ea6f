"""Collect an ended session: fetch again while another look may settle what this one did not."""

from __future__ import annotations

from collections import Counter
from datetime import datetime

from orchestrator.core.checkpoint.inventory import CheckpointInventory
from orchestrator.core.errors import NotYet, OrchestratorError, RemoteUnavailable
from orchestrator.core.ledger.events import EventKind
from orchestrator.core.ledger.records import SessionRecord
from orchestrator.core.session.backend_types import Handle, Observation, SessionState
from orchestrator.core.session.settling import LONG_PAUSES_S, SHORT_PAUSES_S, WAITS, Doubt, Open
from orchestrator.kernel.wire import Ticket
from orchestrator.pipeline.context import RunContext
from orchestrator.pipeline.session.look import EndCheck
from orchestrator.pipeline.session.outputs import Collected, collect_once
from orchestrator.pipeline.session.restore import restore, up_to_date
from orchestrator.pipeline.session.watch import LONGEST_WAIT_S, in_words, watch


def collect(
    context: RunContext, record: SessionRecord, observation: Observation, before: CheckpointInventory, *, brief: bool
) -> Collected:
    """Fetch the outputs of a session until they can be judged.

    Args:
        observation: The last look at it.
        before: What was in place when it was last surveyed.
        brief: Whether this command waits for a minute at most.

    Raises:
        NotYet: Another look may settle more, and this command does not wait for it.
        RemoteUnavailable: The backend is away, or cannot give what decides how the run goes on. The session stays
            open, and what verified is in place.
    """
    most_looks = len(SHORT_PAUSES_S) if brief else None
    found = _fetch(context, record, observation, most_looks=most_looks)
    if context.waits:
        found = _look_again(context, record, found, most_looks)
    if found.open is None:
        return found
    waited = context.waits and not brief
    if _patience_is_over(context, record, found.open, waited=waited):
        return found
    _defer(context, record, found, before, waited=waited)
    raise _not_settled(record.slug, found.open, waited=waited)


def _fetch(
    context: RunContext, record: SessionRecord, observation: Observation, *, most_looks: int | None
) -> Collected:
    """Fetch once; as long as the backend gives no output at all, wait for it as for late outputs.

    Raises:
        RemoteUnavailable: It still gives none, or this command does not wait.
    """
    handle, ticket = Handle.parse(str(record.handle)), Ticket.from_json(record.ticket)
    pauses_s = iter(LONG_PAUSES_S[:most_looks] if context.waits else ())
    while True:
        try:
            return collect_once(context, ticket, handle, observation)
        except RemoteUnavailable as fault:
            pause_s = next(pauses_s, None)
            if pause_s is None or not fault.transient:
                raise
            pause_s = max(pause_s, min(fault.wait_s or 0.0, LONGEST_WAIT_S))
            context.warn(
                "looking_again", f"{handle.slug} has ended, but {fault}; fetching it again in {in_words(pause_s)}"
            )
            context.clock.sleep(pause_s)


def _look_again(context: RunContext, record: SessionRecord, found: Collected, most_looks: int | None) -> Collected:
    """Look again after growing pauses, as long as patience with what is open lasts."""
    handle = Handle.parse(str(record.handle))
    looks: Counter[Doubt] = Counter()
    while found.open is not None:
        doubt = found.open.doubt
        pauses_s = doubt.pauses_s[:most_looks]
        if looks[doubt] >= len(pauses_s):
            return found
        if not looks[doubt] and len(pauses_s) > len(SHORT_PAUSES_S):
            context.warn(
                "outputs_late",
                f"{handle.slug} has ended, but {found.open.why}: looking again for up to {sum(pauses_s) / 60:.0f} min",
            )
        context.clock.sleep(pauses_s[looks[doubt]])
        looks[doubt] += 1
        seen = _seen_again(context, record, found.observation)
        found = _fetch(context, record, seen, most_looks=most_looks)
    return found


def _seen_again(context: RunContext, record: SessionRecord, before: Observation) -> Observation:
    """The end as it is seen now; watch a session that was reported as ended too early."""
    handle = Handle.parse(str(record.handle))
    try:
        seen = context.backend.observe(handle)
    except OrchestratorError as fault:
        if not fault.transient:
            raise
        return before
    if seen.state in (SessionState.RUNNING, SessionState.SAVING) and not before.native.startswith(seen.native):
        context.warn("not_ended", f"{handle.slug} was reported as ended and is {seen.native}: watching it on")
        check = EndCheck(context, record, handle)
        return watch(context, handle, check.end_of, unseen=check.end_unseen)
    return seen if seen.state is SessionState.ENDED else before


def _patience_is_over(context: RunContext, record: SessionRecord, found: Open, *, waited: bool) -> bool:
    """Whether this and earlier commands have looked often enough.

    Args:
        waited: Whether this command has waited as long as it may.
    """
    if waited and found.doubt is not Doubt.UNANSWERED:
        return True
    known = (record.doubts or {}).get(found.doubt.value)
    if known is None:
        return False
    since, now = datetime.fromisoformat(known["since"]), context.clock.now()
    # A time in the future means that the clock was set back: the time since then is unknown.
    passed_s = max(0.0, (now - since).total_seconds())
    return passed_s >= found.doubt.patience_s or known["waits"] + waited >= WAITS


def _defer(
    context: RunContext, record: SessionRecord, found: Collected, before: CheckpointInventory, *, waited: bool
) -> None:
    """Leave the session open, with what verified in place and the moment recorded from which patience counts."""
    ticket, doubt = Ticket.from_json(record.ticket), _doubt_of(found)
    before = up_to_date(context, before)  # half an hour of looks may have passed
    if context.results.incoming(found.folder, ticket).steps > before.steps:
        restore(context, ticket, found.folder, before)
    if waited or doubt.value not in (record.doubts or {}):
        context.record(
            EventKind.SESSION_DEFERRED,
            record.run_id,
            record.key,
            doubt=doubt.value,
            since=context.clock.now().isoformat(),
            waited=waited,
        )
    context.models.discard_archive(found.folder.name)


def _doubt_of(found: Collected) -> Doubt:
    if found.open is None:
        raise ValueError("nothing is in doubt")
    return found.open.doubt


def _not_settled(slug: str, found: Open, *, waited: bool) -> RemoteUnavailable:
    remedy = "The session stays open, and what could be verified is in place; the same command looks again."
    if waited:
        return RemoteUnavailable(f"{slug} has ended, but {found.why}", remedy=remedy)
    return NotYet(f"{slug} has ended, but {found.why}", remedy=remedy)
