"""List the checkpoints of a training wherever they are here, put an earlier one in place, or put all of them aside."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.core.checkpoint.inventory import CheckpointInventory, FetchedCheckpoints
from orchestrator.core.checkpoint.log_messages import TAG, restoration
from orchestrator.core.checkpoint.missing import current_chain
from orchestrator.core.errors import BadInput
from orchestrator.core.ledger.events import EventKind
from orchestrator.core.ledger.records import SessionRecord, Stage
from orchestrator.core.section.card import SectionCard
from orchestrator.kernel.checkpoint.card import CheckpointCard
from orchestrator.kernel.wire import CHECKPOINTS, Ticket, checkpoint_steps
from orchestrator.pipeline.context import RunContext
from orchestrator.pipeline.session.restore import restored_files

IN_PLACE, ARCHIVE, RESULTS = "in place", "archive", "results"

_BY_USER = "the user put an earlier checkpoint in place"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One checkpoint.

    Attributes:
        place: `in place`, `archive` or `results`.
        card: None where none can be read.
        fault: Why it cannot be put in place; empty if it can.
        source: Everything usable beside it.
    """

    stem: str
    place: str
    card: CheckpointCard | None
    fault: str
    source: FetchedCheckpoints

    @property
    def steps(self) -> int:
        """Its steps, by its name."""
        return checkpoint_steps(self.stem) or 0

    def to_json(self) -> dict[str, Any]:
        """Plain JSON form; what only a card states is None without one."""
        card = self.card
        return {
            "steps": self.steps,
            "stem": self.stem,
            "place": self.place,
            "folder": self.source.root.as_posix(),
            "usable": not self.fault,
            "why_not": self.fault or None,
            "lowest_grade": card.lowest_grade if card else None,
            "chain": [f"{one.steps} {one.continued}" for one in card.ancestry] if card else [],
            "size_bytes": sum(entry.size_bytes for entry in card.files) if card else None,
            "saved_at": card.saved_at if card else None,
            "session": f"{card.stamp['run_id']}/s{int(card.stamp['session']):02d}" if card else None,
        }


def find_checkpoints(context: RunContext, card: SectionCard) -> list[Found]:
    """Every checkpoint on this computer, most steps first; one in place before the same one elsewhere."""
    view = context.models.view()
    in_place = FetchedCheckpoints(root=view.root, verified=view.verified, entries=view.entries, faults=view.faults)
    found = list(_of(in_place, IN_PLACE, card))
    for one in context.models.archived_sets():
        found += _of(one, ARCHIVE, card)
    for record in context.ledger.sessions(card.lineage.id):
        if record.stage is Stage.CLOSED and record.results_dir is not None:
            found += _of(
                context.results.incoming(Path(record.results_dir), Ticket.from_json(record.ticket)), RESULTS, card
            )
    once: dict[tuple[Any, ...], Found] = {}
    for row in found:  # each session brings the checkpoint back that it resumed: one of equal ones is enough
        once.setdefault((row.place, row.stem, row.card.digest if row.card else row.source.root), row)
    return sorted(once.values(), key=lambda one: -one.steps)  # stable: the order of the places stays


def restore_checkpoint(context: RunContext, card: SectionCard, steps: int) -> tuple[CheckpointInventory, Path]:
    """Put a verified checkpoint in place; what it replaces is archived, and nothing is deleted.

    The directory is changed before the ledger: after a kill in between, the same command completes the record.

    Returns:
        What is in place then, and the folder for replaced files; it does not exist where none was replaced.

    Raises:
        BadInput: No usable checkpoint has these steps, or a session is in flight.
    """
    with context.models.locked():
        context.models.recover()
        _require_idle(context, card)
        chosen = _chosen(find_checkpoints(context, card), card, steps)
        before = context.models.view()
        replaced = context.models.replace_with(_set_of(chosen), _token(context, "restored"), before)
        _record(context, card, before, to=chosen.card)
        context.info("restored_by_user", *restoration(restored_files(_set_of(chosen))))
        return replaced.inventory, replaced.archive


def archive_checkpoints(context: RunContext, card: SectionCard) -> tuple[int, Path | None]:
    """Move everything in the models directory to the archive, the user's own files included.

    Returns:
        The steps that were in place, and the folder of the archive; None where there was nothing to move.

    Raises:
        BadInput: A session is in flight.
    """
    with context.models.locked():
        context.models.recover()
        _require_idle(context, card)
        before = context.models.view()
        there = before.verified or before.faults or before.leftovers or before.own
        folder = context.models.archive(_token(context, "archived")) if there else None
        _record(context, card, before, to=None)
        if folder is not None:
            context.warn("archived", f"{TAG} Put aside: everything that was in place is kept in {folder}")
        return before.steps, folder


def _of(source: FetchedCheckpoints, place: str, card: SectionCard) -> Iterator[Found]:
    for one in source.verified:
        foreign = one.lineage_id != card.lineage.id
        fault = "it belongs to a training with other settings" if foreign else ""
        yield Found(stem=one.stem, place=place, card=one, fault=fault, source=source)
    for stem, fault in source.faults.items():
        yield Found(stem=stem, place=place, card=None, fault=fault, source=source)


def _chosen(found: list[Found], card: SectionCard, steps: int) -> Found:
    there = [one for one in found if one.steps == steps]
    usable = next((one for one in there if not one.fault), None)
    if usable is not None:
        return usable
    listed = f"`python -m orchestrator checkpoints list {card.section}` lists what can be restored."
    if there:
        reasons = "; ".join(dict.fromkeys(f"{one.place}: {one.fault}" for one in there))
        raise BadInput(f"no checkpoint of {steps} steps can be used ({reasons})", remedy=listed)
    known = ", ".join(str(steps) for steps in sorted({one.steps for one in found if not one.fault})) or "none"
    raise BadInput(f"there is no checkpoint of {steps} steps; usable ones: {known}", remedy=listed)


def _set_of(chosen: Found) -> FetchedCheckpoints:
    """The checkpoint, and the earlier ones of the same training beside it."""
    source = chosen.source
    lineage_id = chosen.card.lineage_id if chosen.card else ""
    kept = tuple(one for one in source.verified if one.steps <= chosen.steps and one.lineage_id == lineage_id)
    names = {f"{CHECKPOINTS}/{file.path}" for card in kept for file in card.files}
    names |= {f"{CHECKPOINTS}/{card.name}" for card in kept}
    entries = tuple(entry for entry in source.entries if entry.path in names)
    return FetchedCheckpoints(root=source.root, verified=kept, entries=entries)


def _require_idle(context: RunContext, card: SectionCard) -> None:
    sessions = [one for one in context.ledger.sessions(card.lineage.id) if one.stage is not Stage.CLOSED]
    if sessions:
        where = f"{sessions[0].slug} is in flight on {sessions[0].backend}"
        raise BadInput(
            f"session {where}: it will put its own checkpoints in place",
            remedy=f"Stop it first: `python -m orchestrator cancel {card.section}`, with the same options.",
        )


def _record(context: RunContext, card: SectionCard, before: CheckpointInventory, *, to: CheckpointCard | None) -> None:
    """Record what is in place now, so that no later command puts a newer checkpoint back.

    A ledger without a session of this training expects nothing in place, and needs no record.
    """
    runs = context.ledger.runs(card.lineage.id)
    chain = current_chain(runs, context.ledger.sessions(card.lineage.id))
    if not chain:
        return
    steps = to.steps if to else 0
    newest = _newest_steps(chain)
    context.record(
        EventKind.WALKED_BACK,
        runs[-1].run_id,
        left_steps=max(before.steps, newest, steps),
        left_digest=before.latest.digest if before.latest else None,
        to_steps=steps,
        to_digest=to.digest if to else None,
        why=_BY_USER if to else "the user archived the checkpoints",
        after=chain[0].key,
        archive="",
    )


def _newest_steps(chain: tuple[SessionRecord, ...]) -> int:
    """The most steps that the ledger knows in place after the newest session."""
    return max(chain[0].models_steps or 0, chain[0].input_steps)


def _token(context: RunContext, word: str) -> str:
    return f"{word}-{context.clock.now():%Y%m%dT%H%M%S}-{context.draw_token()[:6]}"
