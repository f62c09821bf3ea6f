"""Which kernels of a finished training may be deleted on the backend. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.core.ledger.records import SessionRecord, Stage
from orchestrator.core.session.settling import checkpoint_paths, is_own
from orchestrator.kernel.session.manifest import Manifest
from orchestrator.kernel.wire import Ticket

KEPT = 2
"""The newest kernels of a training that stay: a lost ledger is rebuilt from them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SweptKernel:
    """One kernel of finished trainings, and what a sweep does with it.

    Attributes:
        training: Labels of its trials.
        session: Name of the kernel.
        kept: Why it stays; empty if it is deleted.
        trouble: Whether it stays because something failed: the same command tries again.
    """

    training: str
    session: str
    kept: str = ""
    trouble: bool = False

    def to_json(self) -> dict[str, Any]:
        """Plain JSON form."""
        return {"training": self.training, "session": self.session, "deleted": not self.kept, "kept": self.kept}


def on_backend(sessions: Sequence[SessionRecord], backend: str) -> list[SessionRecord]:
    """Closed sessions whose kernels still exist by the ledger, oldest first."""
    return [
        one
        for one in sessions
        if one.stage is Stage.CLOSED
        and one.backend == backend
        and one.handle is not None
        and not (one.never_submitted or one.gone or one.swept)
    ]


def reasons_to_keep(
    sessions: Sequence[SessionRecord],
    source: str | None,
    in_flight: Collection[str],
    outputs_of: Callable[[SessionRecord], tuple[Manifest | None, Sequence[str]]],
) -> list[tuple[SessionRecord, str]]:
    """Every session with the reason why its kernel stays, empty where this training does not need the kernel.

    Args:
        sessions: Of one finished training, as `on_backend` gives them.
        source: Handle of the session whose outputs the next session would mount, None without one.
        in_flight: Digests of the inputs of all sessions in flight.
        outputs_of: Manifest of a session's outputs on this computer, and their faults.
    """
    newest = {one.key for one in sessions[-KEPT:]}
    return [
        (
            one,
            f"one of the newest {KEPT}"
            if one.key in newest
            else "the next session would mount its outputs"
            if one.handle == source
            else _unsafe(one, in_flight, *outputs_of(one)),
        )
        for one in sessions
    ]


def reason_of_pack(record: SessionRecord, reasons: Sequence[str], swept: int) -> str:
    """Why a kernel of several sessions stays; empty if every one of their trainings is finished and needs it no more.

    Args:
        record: One of its sessions.
        reasons: By `reasons_to_keep`, of those of its sessions whose training is finished.
        swept: Sessions that an earlier sweep of this kernel has noted as swept before it was interrupted.
    """
    if kept := next(filter(None, reasons), ""):
        return kept
    others = record.kernel_sessions - len(reasons) - swept
    return f"{others} of its {record.kernel_sessions} trainings are not finished here" if others > 0 else ""


def _unsafe(record: SessionRecord, in_flight: Collection[str], manifest: Manifest | None, faults: Sequence[str]) -> str:
    """Why what a session made is not safe without its kernel; empty if everything is verified and in place here."""
    ticket = Ticket.from_json(record.ticket)
    if manifest is None:
        return f"its outputs are not verified here: {faults[0] if faults else 'no manifest'}"
    if not is_own(ticket, manifest):
        return "its outputs are not verified here: the manifest is another session's"
    if faults or record.lacking:
        return f"its outputs are not verified here: {(*faults, *(f'{path} is missing' for path in record.lacking))[0]}"
    if checkpoint_paths(ticket, (entry.path for entry in manifest.files)) and not record.restored:
        return "its checkpoints were never put in place here"
    if any(entry.sha256 in in_flight for entry in manifest.files):
        return "a session in flight uses its outputs"
    return ""
