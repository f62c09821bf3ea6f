"""What a ledger that was read back from the far side may conclude from an empty models directory."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.core.ledger.records import SessionRecord, Stage


def has_only_recovered_checkpoints(sessions: Sequence[SessionRecord], steps_in_place: int) -> bool:
    """Whether what is in place is what recovered sessions brought, be it nothing: nobody has emptied or filled it.

    The difference between a computer that never had the checkpoints and one whose user removed them: the latter's
    ledger has pushed a session that started from some, or has seen more steps in place than there are.

    Args:
        sessions: Of one lineage, in the order in which they were written down.
        steps_in_place: Steps of the newest checkpoint in the models directory, 0 without one.
    """
    known = [one for one in sessions if not one.never_submitted]
    if not any(one.recovered for one in known) or not all(one.recovered or _left_nothing(one) for one in known):
        return False
    closed = [one.models_steps or 0 for one in known if one.stage is Stage.CLOSED]
    return (closed[-1] if closed else 0) == steps_in_place


def _left_nothing(record: SessionRecord) -> bool:
    """Whether a session of this ledger's own neither started from a checkpoint nor brought one."""
    return record.stage is Stage.CLOSED and not record.ticket["inputs"] and not record.models_steps
