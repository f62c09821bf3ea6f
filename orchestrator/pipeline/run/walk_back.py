"""Walk back from a checkpoint that no session can continue: archive it and put its parent in place."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from orchestrator.core.checkpoint.inventory import CheckpointInventory, FetchedCheckpoints
from orchestrator.core.checkpoint.log_messages import TAG, walked_back
from orchestrator.core.checkpoint.walk_back import WalkBack, suspicion
from orchestrator.core.ledger.events import EventKind
from orchestrator.core.ledger.records import Stage
from orchestrator.kernel.checkpoint.card import CheckpointCard
from orchestrator.kernel.wire import CHECKPOINTS, MODEL_SUFFIX, FileEntry, Ticket
from orchestrator.pipeline.context import RunContext


def due_walk_back(context: RunContext, lineage_id: str, view: CheckpointInventory) -> WalkBack | None:
    """Whether the next session should start from an earlier checkpoint than the newest. Changes nothing."""
    sessions = context.ledger.sessions(lineage_id)
    why = suspicion(sessions, context.ledger.runs(lineage_id), view)
    if why is None or view.latest is None:
        return None
    wanted = _Wanted(lineage_id=lineage_id, digests=frozenset(one.digest for one in view.latest.ancestry))
    return WalkBack(
        left=view.latest, why=why, parent=_parent_in(view, wanted) or _parent_among_results(context, wanted)
    )


def walk_back(
    context: RunContext, run_id: str, due: WalkBack, before: CheckpointInventory | None = None
) -> CheckpointInventory:
    """Put the parent of a checkpoint in place; the checkpoint is archived.

    The directory is changed before the ledger: after a kill in between, the next command starts from the parent too.

    Args:
        due: A walk back with a parent.
        before: What is in place, None to survey it.
    """
    if due.parent is None:
        raise ValueError(f"{due.left.stem} has no parent to go back to")
    token = context.clock.now().strftime("unusable-%Y%m%dT%H%M%S-") + context.draw_token()[:6]
    replaced = context.models.replace_with(due.parent, token, before)
    parent, last = due.parent.verified[0], due.why.failed[-1]
    context.record(
        EventKind.WALKED_BACK,
        run_id,
        left_steps=due.left.steps,
        left_digest=due.left.digest,
        to_steps=parent.steps,
        to_digest=parent.digest,
        why=due.why.why,
        after=last.key,
        archive=str(replaced.archive),
    )
    context.warn(
        "walked_back",
        *walked_back({due.left.stem: due.why.why}, parent.stem + MODEL_SUFFIX),
        f"{TAG} {due.left.stem} is kept in {replaced.archive}",
    )
    return replaced.inventory


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """Which checkpoints may replace one that is left: its ancestors within the same training.

    A checkpoint of another training, whose weights it started from, was the user's choice and is not chosen here.
    """

    lineage_id: str
    digests: frozenset[str]

    def of(self, cards: Collection[CheckpointCard]) -> tuple[CheckpointCard, ...]:
        """Those among some cards, in their order."""
        return tuple(card for card in cards if card.lineage_id == self.lineage_id and card.digest in self.digests)


def _parent_in(view: CheckpointInventory, wanted: _Wanted) -> FetchedCheckpoints | None:
    """Ancestors of the newest checkpoint that are in place."""
    kept = wanted.of(view.verified)
    return (
        FetchedCheckpoints(root=view.root, verified=kept, entries=tuple(_files(kept, view.entries))) if kept else None
    )


def _parent_among_results(context: RunContext, wanted: _Wanted) -> FetchedCheckpoints | None:
    """The newest ancestor in the results of an earlier session."""
    found: FetchedCheckpoints | None = None
    for record in context.ledger.sessions(wanted.lineage_id):
        if record.stage is not Stage.CLOSED or record.results_dir is None:
            continue
        incoming = context.results.incoming(Path(record.results_dir), Ticket.from_json(record.ticket))
        kept = wanted.of(incoming.verified)
        if kept and (found is None or kept[0].steps > found.steps):
            found = FetchedCheckpoints(root=incoming.root, verified=kept, entries=tuple(_files(kept, incoming.entries)))
    return found


def _files(cards: Collection[CheckpointCard], entries: Collection[FileEntry]) -> Iterator[FileEntry]:
    """The files of some checkpoints alone: best model and metadata may describe the checkpoint that is left."""
    names = {f"{CHECKPOINTS}/{file.path}" for card in cards for file in card.files}
    names |= {f"{CHECKPOINTS}/{card.name}" for card in cards}
    return (entry for entry in entries if entry.path in names)
