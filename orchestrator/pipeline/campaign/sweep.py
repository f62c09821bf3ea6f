"""Delete old kernels of finished trainings on the backend, once everything they made is verified and in place here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, replace

from orchestrator.core.campaign.sweeping import SweptKernel, on_backend, reason_of_pack, reasons_to_keep
from orchestrator.core.campaign.trial_status import FINISHED, TrialStatus
from orchestrator.core.errors import BadInput, InUse, RemoteUnavailable
from orchestrator.core.ledger.events import EventKind
from orchestrator.core.ledger.records import SessionRecord
from orchestrator.core.session.backend_types import Handle
from orchestrator.kernel.session.manifest import Manifest
from orchestrator.kernel.wire import Ticket
from orchestrator.pipeline.campaign.context import CampaignContext
from orchestrator.pipeline.context import RunContext
from orchestrator.pipeline.session.submit import checkpoint_set


@dataclass(frozen=True, slots=True, kw_only=True)
class _Judged:
    """A session of a finished training.

    Attributes:
        kept: Why its training still needs the kernel, empty if it does not.
    """

    status: TrialStatus
    record: SessionRecord
    kept: str


def sweep(context: CampaignContext, statuses: Sequence[TrialStatus], *, dry_run: bool) -> Iterator[SweptKernel]:
    """Delete what may be deleted, first training after training, then the kernels that several share.

    Repeatable after a crash anywhere.

    Args:
        statuses: Of all trials.
        dry_run: Whether to name the kernels only. Nothing is sent or changed then.

    Yields:
        Every kernel of a finished training, after it was deleted or kept.

    Raises:
        BadInput: The backend cannot delete sessions.
        RemoteUnavailable: It cannot be reached; what was deleted so far is in the ledger.
    """
    shared: dict[tuple[str, str], list[_Judged]] = {}
    backends = yield from _with_kernels(context, statuses)
    for status in (one for one in statuses if one.state in FINISHED):
        for backend in backends:
            run_context = context.run_context(status.trial.card, backend)
            try:
                with nullcontext() if dry_run else run_context.models.locked():
                    if why := _not_in_place(run_context, status):
                        yield SweptKernel(training=_label(status), session="", kept=why, trouble=True)
                        continue
                    for one in _judged(run_context, status):
                        if one.record.kernel is None:
                            yield _swept(context, [one], one.kept, dry_run=dry_run)
                        else:
                            shared.setdefault((backend, one.record.kernel), []).append(one)
            except InUse as fault:
                yield SweptKernel(training=status.trial.label, session="", kept=str(fault), trouble=True)
    swept = Counter((one.backend, one.kernel) for one in context.ledger.sessions() if one.swept)
    for kernel, members in shared.items():
        yield _pack(context, members, swept[kernel], dry_run=dry_run)


def _with_kernels(
    context: CampaignContext, statuses: Sequence[TrialStatus]
) -> Generator[SweptKernel, None, tuple[str, ...]]:
    """The backends of the campaign that keep kernels which a sweep could delete.

    Yields:
        One of several backends that cannot be reached: the others are swept.

    Raises:
        BadInput: None of them can delete sessions.
        RemoteUnavailable: The only one cannot be reached.
    """
    found, away = list[str](), 0
    for backend in context.campaign.limits if statuses else ():
        try:
            limits = context.run_context(statuses[0].trial.card, backend).backend.capabilities
        except RemoteUnavailable as fault:
            if len(context.campaign.limits) == 1:
                raise
            away += 1
            yield SweptKernel(training=f"what is on {backend}", session="", kept=str(fault), trouble=True)
            continue
        found += [backend] if limits.can_delete else []
    if not found and not away and statuses:
        raise BadInput(
            f"{' and '.join(context.campaign.limits)} keeps no kernels that a sweep could delete",
            remedy="Give --backend kaggle for the kernels on Kaggle.",
        )
    return tuple(found)


def _pack(context: CampaignContext, members: Sequence[_Judged], swept: int, *, dry_run: bool) -> SweptKernel:
    """Delete the kernel of several trainings; they are judged again with all of them locked.

    Args:
        swept: As for `reason_of_pack`.
    """
    record = members[0].record
    kept = reason_of_pack(record, [one.kept for one in members], swept)
    if kept or dry_run:
        return _row(members, kept)
    with ExitStack() as locks:
        try:
            for one in members:
                locks.enter_context(_at(context, one).models.locked())
        except InUse as fault:
            return _row(members, str(fault), trouble=True)
        kept = reason_of_pack(record, [_reason_now(context, one) for one in members], swept)
        return _swept(context, members, kept, dry_run=dry_run)


def _at(context: CampaignContext, judged: _Judged) -> RunContext:
    """The run of a judged session's training on its backend."""
    return context.run_context(judged.status.trial.card, judged.record.backend)


def _reason_now(context: CampaignContext, judged: _Judged) -> str:
    run_context = _at(context, judged)
    now = {one.record.key: one.kept for one in _judged(run_context, judged.status)}
    return _not_in_place(run_context, judged.status) or now.get(judged.record.key, "it was swept meanwhile")


def _not_in_place(context: RunContext, status: TrialStatus) -> str:
    steps = context.models.view().steps
    return f"{steps} of {status.steps_done} steps are in place here" if steps < status.steps_done else ""


def _judged(context: RunContext, status: TrialStatus) -> Iterator[_Judged]:
    card, view = status.trial.card, context.models.view()
    sessions = on_backend(context.ledger.sessions(card.lineage.id), context.backend.name)
    source = checkpoint_set(context, card, view).source
    in_flight = {entry["sha256"] for one in context.ledger.open_sessions() for entry in one.ticket["inputs"]}

    def outputs_of(record: SessionRecord) -> tuple[Manifest | None, Sequence[str]]:
        handle = Handle.parse(str(record.handle))
        return context.results.manifest(context.results.folder(handle.owner, record.slug))

    for record, kept in reasons_to_keep(sessions, str(source) if source else None, in_flight, outputs_of):
        yield _Judged(status=status, record=record, kept=kept)


def _swept(context: CampaignContext, members: Sequence[_Judged], kept: str, *, dry_run: bool) -> SweptKernel:
    if kept or dry_run:
        return _row(members, kept)
    try:
        _delete(_at(context, members[0]), [one.record for one in members])
    except BadInput as fault:
        return _row(members, str(fault), trouble=True)
    return _row(members, "")


def _delete(context: RunContext, records: Sequence[SessionRecord]) -> None:
    """Delete the kernel of these sessions."""
    handle = Handle.parse(str(records[0].handle))
    # The name may hold another session by now; one that is not found was deleted before.
    if context.backend.find(Ticket.from_json(records[0].ticket), handle.slug) is not None:
        context.backend.delete(replace(handle, member=None))
    for record in records:
        context.record(EventKind.SESSION_SWEPT, record.run_id, record.key)


def _row(members: Sequence[_Judged], kept: str, *, trouble: bool = False) -> SweptKernel:
    labels = ", ".join(_label(one.status) for one in members)
    name = Handle.parse(str(members[0].record.handle)).slug  # the service may have given it another one than was asked
    return SweptKernel(training=labels, session=name, kept=kept, trouble=trouble)


def _label(status: TrialStatus) -> str:
    return f"{status.trial.label} [{status.trial.name8}]"
