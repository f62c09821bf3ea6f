"""Delete old kernels of finished trainings on the backend, once everything they made is verified and in place here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import nullcontext

from orchestrator.core.campaign.sweeping import SweptKernel, on_backend, reasons_to_keep
from orchestrator.core.campaign.trial_status import FINISHED, TrialStatus
from orchestrator.core.errors import BadInput, InUse
from orchestrator.core.ledger.events import EventKind
from orchestrator.core.ledger.records import SessionRecord
from orchestrator.core.session.backend_types import Handle
from orchestrator.kernel.session.manifest import Manifest
from orchestrator.kernel.wire import Ticket
from orchestrator.pipeline.campaign.context import CampaignContext
from orchestrator.pipeline.context import RunContext
from orchestrator.pipeline.session.submit import checkpoint_set


def sweep(context: CampaignContext, statuses: Sequence[TrialStatus], *, dry_run: bool) -> Iterator[SweptKernel]:
    """Delete what may be deleted, training after training; repeatable after a crash anywhere.

    Args:
        statuses: Of all trials.
        dry_run: Whether to name the kernels only. Nothing is sent or changed then.

    Yields:
        Every kernel of a finished training, after it was deleted or kept.

    Raises:
        BadInput: The backend cannot delete sessions.
        RemoteUnavailable: It cannot be reached; what was deleted so far is in the ledger.
    """
    for status in statuses:
        run_context = context.run_context(status.trial.card)
        if not run_context.backend.capabilities.can_delete:
            raise BadInput(
                f"{run_context.backend.name} keeps no kernels that a sweep could delete",
                remedy="Give --backend kaggle for the kernels on Kaggle.",
            )
        if status.state not in FINISHED:
            continue
        try:
            with nullcontext() if dry_run else run_context.models.locked():
                yield from _training(run_context, status, dry_run=dry_run)
        except InUse as fault:
            yield SweptKernel(training=status.trial.label, session="", kept=str(fault), trouble=True)


def _training(context: RunContext, status: TrialStatus, *, dry_run: bool) -> Iterator[SweptKernel]:
    card, label = status.trial.card, f"{status.trial.label} [{status.trial.name8}]"
    view = context.models.view()
    if view.steps < status.steps_done:
        why = f"{view.steps} of {status.steps_done} steps are in place here"
        yield SweptKernel(training=label, session="", kept=why, trouble=True)
        return
    sessions = on_backend(context.ledger.sessions(card.lineage.id), context.backend.name)
    source = checkpoint_set(context, card, view).source
    in_flight = {entry["sha256"] for one in context.ledger.open_sessions() for entry in one.ticket["inputs"]}

    def outputs_of(record: SessionRecord) -> tuple[Manifest | None, Sequence[str]]:
        handle = Handle.parse(str(record.handle))
        return context.results.manifest(context.results.folder(handle.owner, record.slug))

    for record, kept in reasons_to_keep(sessions, str(source) if source else None, in_flight, outputs_of):
        trouble = False
        if not kept and not dry_run:
            try:
                _delete(context, record)
            except BadInput as fault:
                kept, trouble = str(fault), True
        yield SweptKernel(training=label, session=record.slug, kept=kept, trouble=trouble)


def _delete(context: RunContext, record: SessionRecord) -> None:
    handle = Handle.parse(str(record.handle))
    # The name may hold another session by now; one that is not found was deleted before.
    if context.backend.find(Ticket.from_json(record.ticket), record.slug) is not None:
        context.backend.delete(handle)
    context.record(EventKind.SESSION_SWEPT, record.run_id, record.key)
