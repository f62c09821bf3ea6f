"""Spec and ticket: what a session computes. The manifest echoes the spec, and both are compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from orchestrator.core.section.card import Profile, SectionCard
from orchestrator.core.section.lineage import Lineage
from orchestrator.kernel.reading.shapes import ANY, COUNT, NUMBER, TABLE, TEXT, both, fields, optional, require
from orchestrator.kernel.ticket_shape import TICKET
from orchestrator.kernel.wire import FileEntry, Ticket, digest_of


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionSpec:
    """Everything that decides what a session computes.

    Attributes:
        session_device: Device of the backend's sessions, None for the card's.
        accept_grade: Lowest resume grade that the user accepts, None for the card's floor.
        one_thread: Whether its libraries use one thread, as in a pack: a training has the same number in each session.
        proof: The session's part in a resume proof, plain JSON; empty for every other session.
    """

    card: SectionCard
    profile: str
    sizes: Profile
    backend: str
    session_device: str | None = None
    accept_grade: str | None = None
    one_thread: bool = False
    proof: Mapping[str, Any] = field(default_factory=dict)

    @property
    def lineage(self) -> Lineage:
        """The lineage that the session trains."""
        return self.card.lineage

    def to_json(self) -> dict[str, Any]:
        """Plain JSON form: exactly what the kernel reads."""
        card, sizes = self.card, self.sizes
        return {
            "section": card.section,
            "section_dir": card.directory,
            **({"entry_point": card.entry_point} if card.script is None else {"script": card.script}),
            "scenario": card.scenario,
            "profile": self.profile,
            "backend": self.backend,
            "lineage": self.lineage.to_json(),
            "target_steps": sizes.target_steps,
            "checkpoint_every_steps": sizes.checkpoint_every_steps,
            "evaluate_every_steps": sizes.evaluate_every_steps,
            "evaluation_scenarios": sizes.evaluation_scenarios,
            "deadline_s": sizes.deadline_s,
            "criteria": card.criteria_values,
            "resume_floor": self.accept_grade or card.resume_floor,
            "device": self.session_device or card.device,
            **({"one_thread": True} if self.one_thread else {}),
            **({"proof": dict(self.proof)} if self.proof else {}),
        }

    @property
    def digest(self) -> str:
        """Hex sha256 of the JSON form."""
        return digest_of(self.to_json())


def question_of(criteria: Mapping[str, Any], evaluation_scenarios: int | None) -> str:
    """Hex sha256 of criteria and number of scenarios: a verdict is valid for its own question only."""
    return digest_of({"criteria": dict(criteria), "evaluation_scenarios": evaluation_scenarios})


def read_ticket(plain: Any) -> Ticket:
    """The ticket of a session that was pushed, read from a sandbox, a kernel's source or the ledger.

    Raises:
        Unreadable: It is no such ticket.
    """
    require(TABLE, plain, "the ticket")
    ticket = Ticket.from_json(plain)
    require(PUSHED, plain, "the ticket")
    return ticket


_LINEAGE = fields({}, {"seed": optional(COUNT), "algorithm": optional(TEXT)}, others=True)
_SPEC = fields({"deadline_s": NUMBER, "lineage": _LINEAGE, **dict.fromkeys(("profile", "criteria"), ANY)}, others=True)
PUSHED = both(TICKET, fields({"spec": _SPEC}, others=True))
"""Shape of a ticket that was pushed."""


def write_ticket(
    spec: SessionSpec,
    *,
    run_id: str,
    session: int,
    attempt: int,
    nonce: str,
    bundle_digest: str,
    inputs: tuple[FileEntry, ...],
    proven: Mapping[str, Any] | None = None,
) -> Ticket:
    """The ticket of one session."""
    plain_spec = spec.to_json()
    return Ticket(
        run_id=run_id,
        session=session,
        attempt=attempt,
        nonce=nonce,
        section=spec.card.section,
        section_dir=spec.card.directory,
        lineage_id=spec.lineage.id,
        spec=plain_spec,
        spec_digest=digest_of(plain_spec),
        bundle_digest=bundle_digest,
        inputs=inputs,
        proven=proven,
    )
