"""Put a learned model from elsewhere in place, as the first checkpoint of a training."""

from __future__ import annotations

from orchestrator.core.checkpoint.inventory import CheckpointInventory, FetchedCheckpoints
from orchestrator.core.checkpoint.missing import current_chain, expected_steps, walked_to
from orchestrator.core.errors import BadInput
from orchestrator.core.section.card import SectionCard
from orchestrator.pipeline.context import RunContext
from orchestrator.pipeline.control.checkpoints import archive_token, record_in_place, require_idle


def adopt_checkpoint(context: RunContext, card: SectionCard, staged: FetchedCheckpoints) -> CheckpointInventory:
    """Put an adopted checkpoint in place; nothing that exists is replaced.

    Args:
        staged: The checkpoint, in the layout of a models directory. It is put in place completely or not at all: the
            next command on the training completes or undoes an interrupted change.

    Returns:
        What is in place then.

    Raises:
        BadInput: A training exists already, or a session is in flight.
    """
    with context.models.locked():
        context.models.recover()
        require_idle(context, card)
        before = context.models.view()
        _require_no_training(context, card, before)
        replaced = context.models.replace_with(staged, archive_token(context, "adopted"), before)
        why = "the user adopted a model"
        record_in_place(context, card, before, to=staged.verified[0], why=why)
        return replaced.inventory


def _require_no_training(context: RunContext, card: SectionCard, before: CheckpointInventory) -> None:
    archive = f"`python -m orchestrator checkpoints archive {card.section}`, with the same options"
    if before.verified or before.faults or before.leftovers:
        raise BadInput(
            f"{before.root} already holds a training ({before.steps} steps), which is never overwritten",
            remedy=f"Put it aside first: {archive}; then run the same command again.",
        )
    runs = context.ledger.runs(card.lineage.id)
    chain = current_chain(runs, context.ledger.sessions(card.lineage.id))
    expected = expected_steps(chain, walked_to(runs, chain)) if chain else 0
    if expected:
        raise BadInput(
            f"{expected} steps of this training are recorded, but their checkpoints are not in place",
            remedy=f"`python -m orchestrator run {card.section}` searches for them; to give them up: {archive}.",
        )
