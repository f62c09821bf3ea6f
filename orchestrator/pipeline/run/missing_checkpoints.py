"""Put back checkpoints that the ledger knows and that are not in place: from the results, then from the backend.

A ledger beside a missing models directory is no fresh start. The newest checkpoint that can be verified is put back;
if there is none, the training is refused instead of started again from step 0.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from orchestrator.core.checkpoint.inventory import CheckpointInventory, FetchedCheckpoints
from orchestrator.core.checkpoint.log_messages import restoration
from orchestrator.core.checkpoint.missing import (
    Source,
    at_most,
    current_chain,
    expected_steps,
    is_missing,
    sources,
    walked_to,
)
from orchestrator.core.ledger.events import EventKind
from orchestrator.core.ledger.records import SessionRecord, Stage
from orchestrator.core.section.card import SectionCard
from orchestrator.core.session.backend_types import Handle
from orchestrator.core.session.slug import own_slug, place_of_slug
from orchestrator.kernel.wire import Ticket
from orchestrator.pipeline.context import RunContext
from orchestrator.pipeline.session.restore import restored_files


def put_back_missing(
    context: RunContext, card: SectionCard, view: CheckpointInventory, *, beyond_ledger: bool = False
) -> CheckpointInventory:
    """Put checkpoints back that should be in place, if they can be verified in the results or on the backend.

    Does nothing where the models directory holds what the ledger knows, or where the user's own `run` finds a
    directory that exists: there it decides by itself.

    Args:
        view: What is in place.
        beyond_ledger: Whether to search the results for later sessions than the ledger knows as well: it may be older
            than the results beside it, or be absent.

    Returns:
        What is in place then.

    Raises:
        RemoteUnavailable: The backend is away, and only it may have them.
    """
    runs = context.ledger.runs(card.lineage.id)
    chain = current_chain(runs, context.ledger.sessions(card.lineage.id))
    walked = walked_to(runs, chain)
    expected = expected_steps(chain, walked)
    if is_missing(view, expected, stays=context.waits):
        found = _best(context, tuple(sources(chain, walked)), expected, at_least=view.steps)
        if found is not None:
            why = f"the ledger knows {expected} steps, and {view.steps} were in place"
            view = _put_back(context, found, view, why)
    if beyond_ledger:
        found = _newest_unknown(context, card, chain, at_least=view.steps)
        if found is not None:
            why = f"of a session that the ledger lacks; {view.steps} steps were in place"
            view = _put_back(context, found, view, why)
    return view


def fetch_absent_results(context: RunContext, lineage_id: str) -> int:
    """Fetch missing results folders of closed sessions again; returns how many were fetched.

    Raises:
        RemoteUnavailable: The backend is away.
    """
    fetched, here = 0, set(context.results.taken(context.backend.capabilities.owner))
    for record in context.ledger.sessions(lineage_id):
        absent = record.results_dir is not None and record.slug not in here
        if absent and record.stage is Stage.CLOSED and _fetch_again(context, record):
            context.info("fetched_again", f"Fetched the results of {record.slug} again")
            fetched += 1
    return fetched


def _best(context: RunContext, found: Sequence[Source], expected: int, *, at_least: int) -> FetchedCheckpoints | None:
    """The newest verified set with more than `at_least` steps: from this disk, else from the backend."""
    best: FetchedCheckpoints | None = None
    for again in (False, True):
        for source in found:
            steps = best.steps if best else at_least
            if steps >= expected:
                return best
            potential = source.potential_steps
            if potential is not None and potential <= steps:
                continue
            if again and not _fetch_again(context, source.record):
                continue
            incoming = _verified(context, source)
            best = incoming if incoming.steps > steps else best
    return best


def _verified(context: RunContext, source: Source) -> FetchedCheckpoints:
    ticket = Ticket.from_json(source.record.ticket)
    return at_most(context.results.incoming(_folder(context, source.record), ticket), source.most_steps)


def _folder(context: RunContext, record: SessionRecord) -> Path:
    """Folder of its results on this computer; the ledger may come from another one."""
    handle = Handle.parse(str(record.handle))
    return context.results.folder(handle.owner, own_slug(handle, Ticket.from_json(record.ticket)))


def _fetch_again(context: RunContext, record: SessionRecord) -> bool:
    """Fetch the outputs of a session again, if they still exist; returns whether they do."""
    if record.handle is None or record.backend != context.backend.name or record.swept:
        return False  # of another backend, or deleted by a sweep
    if all(one.ticket.nonce != record.nonce for one in context.backend.read_all(record.kernel_slug)):
        return False  # it was deleted, or its name holds another session by now
    folder, handle = _folder(context, record), Handle.parse(record.handle)
    retrieval = context.backend.fetch(handle, folder)
    if retrieval.missing and record.slug not in context.results.taken(handle.owner):
        return False  # an emptied sandbox: nothing was fetched
    context.record(
        EventKind.SESSION_FETCHED,
        record.run_id,
        record.key,
        results_dir=folder.as_posix(),
        missing=retrieval.missing,
    )
    return True


def _newest_unknown(
    context: RunContext, card: SectionCard, chain: Sequence[SessionRecord], *, at_least: int
) -> FetchedCheckpoints | None:
    """Checkpoints in the results of a session that the ledger lacks, if they have more steps than those in place."""
    lineage_id = card.lineage.id
    known = [one for one in context.ledger.sessions(lineage_id) if not one.never_submitted]
    newest = max(((one.session, one.attempt) for one in known), default=(0, 0))
    best: FetchedCheckpoints | None = None
    for place, folder in _folders(context, lineage_id):
        if place <= newest:
            break
        ticket = context.results.author(folder, card.directory, card.scenario)
        if ticket is None or ticket.lineage_id != lineage_id or (ticket.session, ticket.attempt) != place:
            continue
        incoming = context.results.incoming(folder, ticket)
        if incoming.steps > (best.steps if best else at_least):
            best = incoming
    return best


def _folders(context: RunContext, lineage_id: str) -> Iterator[tuple[tuple[int, int], Path]]:
    """Places of the lineage's sessions with a results folder here, newest first."""
    owner = context.backend.capabilities.owner
    places = {
        place: slug for slug in context.results.taken(owner) if (place := place_of_slug(slug, lineage_id)) is not None
    }
    for place in sorted(places, reverse=True):
        yield place, context.results.folder(owner, places[place])


def _put_back(
    context: RunContext, incoming: FetchedCheckpoints, view: CheckpointInventory, why: str
) -> CheckpointInventory:
    token = f"{context.clock.now():%Y%m%dT%H%M%S}-{context.draw_token()[:6]}"
    replaced = context.models.replace_with(incoming, token, view)
    context.warn(
        "put_back",
        f"Put the checkpoint of {incoming.steps} steps back from {incoming.root.as_posix()} ({why})",
        *restoration(restored_files(incoming)),
    )
    return replaced.inventory
