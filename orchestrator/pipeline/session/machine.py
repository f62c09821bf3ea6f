"""Keeps a training in the image and on the machine of the session that saved its checkpoint.

Another image brings other libraries, and with them a resume that is at most `statistical`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from orchestrator.core.checkpoint.inventory import CheckpointInventory
from orchestrator.core.errors import RemoteUnavailable
from orchestrator.core.ledger.records import SessionRecord
from orchestrator.core.session.backend_types import Handle, Push
from orchestrator.core.session.machine import Machine
from orchestrator.core.session.slug import session_slug
from orchestrator.kernel.checkpoint.card import CheckpointCard
from orchestrator.pipeline.context import RunContext


def kept_machine(
    context: RunContext, section: str, inventory: CheckpointInventory, new_image_before: datetime | None
) -> Machine | None:
    """The machine that the next session asks for; None for the backend's present one.

    Args:
        inventory: Holds the checkpoint that the session starts from.
        new_image_before: Sessions that began before this moment do not bind the next one, aware; None if all do.

    Raises:
        RemoteUnavailable: The image of the earlier session is not in the ledger, and the backend does not answer.
    """
    if inventory.latest is None:
        return None
    earlier = _saver(context, section, inventory.latest)
    if earlier is None:
        return None
    if new_image_before is not None and (earlier.began is None or earlier.began < new_image_before):
        context.info("new_image", "--new-image: this session takes the backend's present image")
        return None
    if earlier.machine is not None and earlier.machine.docker_image is not None:
        return earlier.machine
    return _read_back(context, earlier.handle, earlier.machine)


def keep_machine(context: RunContext, push: Push, machine: Machine) -> Push:
    """The push with the machine of an earlier session, unless the card asks for another one now."""
    kept = context.backend.keep_machine(push, machine)
    if machine.docker_image and kept.machine is not None and kept.machine.docker_image != machine.docker_image:
        context.info(
            "image_released", "The card asks for another image or accelerator than the earlier sessions: it is followed"
        )
    return kept


def machine_of_ended(context: RunContext, record: SessionRecord) -> Machine | None:
    """The machine of an ended session, read back unless it is known; None if it cannot be read now.

    The next session reads it then, so a failure delays nothing here.
    """
    asked = _recorded(record)
    if record.handle is None or (asked is not None and asked.docker_image is not None):
        return asked
    try:
        return _read_back(context, Handle.parse(record.handle), asked)
    except RemoteUnavailable as fault:
        context.detail("image_unread", f"The image of {record.slug} is read later: {fault}")
        return asked


@dataclass(frozen=True, slots=True, kw_only=True)
class _Saver:
    """The session that saved a checkpoint: its address, what is known of its machine, and when it began."""

    handle: Handle
    machine: Machine | None
    began: datetime | None


def _saver(context: RunContext, section: str, checkpoint: CheckpointCard) -> _Saver | None:
    """From the ledger, or from the backend if the ledger lacks the session; None for one of another backend."""
    stamp = checkpoint.stamp
    for record in context.ledger.sessions(checkpoint.lineage_id):
        if record.nonce == stamp.get("nonce"):
            if record.handle is None or record.backend != context.backend.name:
                return None
            began = datetime.fromisoformat(record.begun_at or record.planned_at)
            return _Saver(handle=Handle.parse(record.handle), machine=_recorded(record), began=began)
    if not all(isinstance(stamp.get(name), int) for name in ("session", "attempt")):
        return None  # no session of ours saved it
    slug = session_slug(section, checkpoint.lineage_id, stamp["session"], stamp["attempt"])
    found = context.backend.read(slug)
    if found is None or found.ticket.nonce != stamp.get("nonce"):
        return None
    return _Saver(handle=found.handle, machine=found.machine, began=found.begun_at)


def _recorded(record: SessionRecord) -> Machine | None:
    return Machine.from_json(record.machine) if record.machine else None


def _read_back(context: RunContext, handle: Handle, asked: Machine | None) -> Machine | None:
    found = context.backend.machine(handle)
    if found is None or asked is None:
        return found
    return replace(found, accelerator=asked.accelerator)
