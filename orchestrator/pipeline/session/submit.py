"""Decide what a session is given, and submit its prepared push exactly once, even if answers are lost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from orchestrator.core.checkpoint.inventory import CheckpointInventory
from orchestrator.core.checkpoint.start import manifest_holds
from orchestrator.core.errors import BadInput, NotYet, OrchestratorError, OutcomeUnknown, StorageFault
from orchestrator.core.ledger.events import EventKind
from orchestrator.core.ledger.records import SessionRecord, session_key
from orchestrator.core.run.request import RunRequest
from orchestrator.core.section.card import Profile, SectionCard
from orchestrator.core.session.backend_types import Carrier, CheckpointSet, Handle, Push
from orchestrator.core.session.spec import SessionSpec
from orchestrator.core.session.time_budget import session_wall_s
from orchestrator.core.timestamps import parse_timestamp
from orchestrator.kernel.wire import Ticket
from orchestrator.pipeline.context import RunContext
from orchestrator.pipeline.session.lifecycle import abandon
from orchestrator.pipeline.session.look import missed_for_s
from orchestrator.pipeline.session.watch import in_words


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
        one_thread=request.card.pack != 1,
        proof=request.proof,
    )


Answer = TypeVar("Answer")

_DEFAULT_WAIT_S = 60.0
_LONGEST_SLEEP_S = 900.0
"""A laptop may sleep meanwhile: the clock is read again at least this often."""
_FIND_EVERY_S = 5.0
_SUBMITS = 3


def submit_session(context: RunContext, push: Push, campaign: str = "") -> Handle:
    """Stage, write the intent, submit.

    The intent, with its nonce, is on the disk before the submit: after a crash the session is found by its nonce and
    never started twice.

    Args:
        campaign: Name of the campaign, empty for a `run` of the user.

    Raises:
        NameTaken: The name belongs to another session; nothing was written.
        RemoteUnavailable: The backend is away, or whether the session exists is not known yet.
    """
    if context.hold is not None:
        return context.hold(push)
    ticket = push.ticket
    retry_until_accepted(context, lambda: context.backend.stage(push))
    asked = {} if push.machine is None else {"machine": push.machine.to_json()}
    key = plan_session(context, ticket, push.slug, push.carrier, campaign=campaign, **asked)
    try:
        handle = retry_until_accepted(context, lambda: send(context, push))
    except (NotYet, BadInput, StorageFault) as fault:
        # A clear refusal: nothing exists on the backend, and there is nothing to look for later.
        if (record := context.ledger.session(key)) is not None:
            abandon(context, record, str(fault))
        raise
    context.record(EventKind.SESSION_SUBMITTED, ticket.run_id, key, handle=str(handle))
    return handle


def plan_session(context: RunContext, ticket: Ticket, slug: str, carrier: Carrier, **traits: Any) -> str:
    """Write the intent, durably; returns the session's key.

    Args:
        traits: Further fields of the event, of a session that exists already.
    """
    key = session_key(ticket.run_id, ticket.session, ticket.attempt)
    context.record(
        EventKind.SESSION_PLANNED,
        ticket.run_id,
        key,
        lineage_id=ticket.lineage_id,
        session=ticket.session,
        attempt=ticket.attempt,
        slug=slug,
        backend=context.backend.name,
        carrier=carrier.value,
        nonce=ticket.nonce,
        ticket=ticket.to_json(),
        **traits,
    )
    return key


def confirm_submission(context: RunContext, ticket: Ticket, slug: str, since: datetime) -> Handle | None:
    """Whether a session was ever started whose answer is not known.

    Its absence is believed only when the time has passed that the backend may take to show it.

    Args:
        since: The latest moment at which it may have been submitted, aware UTC.

    Raises:
        NotYet: It may still show up, and this command does not wait.
        RemoteUnavailable: The backend cannot be asked.
    """
    visible_s = context.backend.capabilities.visibility_s
    reported = False
    while True:
        # The time before the look: a look that began inside the window proves nothing about its end.
        waited_s = (context.clock.now() - since).total_seconds()
        handle = context.backend.find(ticket, slug)
        if handle is None and waited_s >= visible_s:
            return context.backend.find_renamed(ticket)
        if handle is not None:
            return handle
        if not context.waits:
            raise NotYet(f"{slug} may take up to {visible_s:.0f} s to show")
        if not reported:
            context.warn("looking_for_session", f"Looking for {slug}: it may take up to {visible_s:.0f} s to show")
            reported = True
        context.clock.sleep(_FIND_EVERY_S)


def confirmed(context: RunContext, record: SessionRecord) -> SessionRecord | None:
    """A session with its handle; None if it was planned and never started.

    The lock of its models directory says that the command which planned it is gone.

    Raises:
        NotYet: It may still show up, and this command does not wait.
        RemoteUnavailable: The backend cannot be asked.
    """
    if record.handle is not None:
        return record
    # The moment at which that command died is not known: the window counts from the first look in vain.
    missed_at = parse_timestamp(record.missed_at) if record.missed_at and not context.waits else None
    try:
        handle = confirm_submission(
            context, Ticket.from_json(record.ticket), record.kernel_slug, missed_at or context.clock.now()
        )
    except NotYet:
        missed_for_s(context, record)
        raise
    if handle is None:
        return None
    context.record(EventKind.SESSION_SUBMITTED, record.run_id, record.key, handle=str(handle))
    return context.ledger.session(record.key)


def retry_until_accepted(context: RunContext, act: Callable[[], Answer]) -> Answer:
    """Repeat an act until the backend accepts it: it may wait for a slot, the weekly quota, a dataset in processing.

    Raises:
        NotYet: It is not accepted now, and this command does not wait.
    """
    if not context.waits:
        return act()
    reported = ""
    while True:
        try:
            return act()
        except NotYet as fault:
            reported = wait_out(context, fault, reported)


def wait_out(context: RunContext, fault: NotYet, reported: str = "") -> str:
    """Wait until the backend may accept what it refused for now; returns the reason.

    Args:
        reported: The reason of the last wait, which is not reported again.
    """
    # A service may ask for a day, or for longer than it means: it is asked again within a quarter of an hour.
    wait_s = min(fault.wait_s or _DEFAULT_WAIT_S, _LONGEST_SLEEP_S)
    if str(fault) != reported:
        until = f" until {fault.until.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if fault.until else ""
        again = f"; trying again in {in_words(wait_s)}" if not until and wait_s > 2 * _DEFAULT_WAIT_S else ""
        context.warn("waiting", f"Waiting{until}: {fault}{again}")
    if fault.until is None:
        context.clock.sleep(wait_s)
        return str(fault)
    while (left_s := (fault.until - context.clock.now()).total_seconds()) > 0:
        context.clock.sleep(min(left_s, _LONGEST_SLEEP_S))
    # The backend's clock is not ours: a little later, and never at once again.
    context.clock.sleep(_DEFAULT_WAIT_S)
    return str(fault)


def send(context: RunContext, push: Push) -> Handle:
    """Submit; a lost answer is read back, and only a session that is certainly absent is sent again."""
    for _ in range(_SUBMITS):
        try:
            return context.backend.submit(push)
        except OutcomeUnknown as fault:
            lost: OrchestratorError = fault
            if not context.waits:
                found = context.backend.find(push.ticket, push.slug)
                if found is not None:
                    return found
                raise
            context.warn("answer_lost", f"The answer to the push was lost ({fault}); reading back")
            found = confirm_submission(context, push.ticket, push.slug, context.clock.now())
            if found is not None:
                return found
            if fault.if_absent is not None:
                raise fault.if_absent from fault
    raise lost
