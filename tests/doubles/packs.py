"""Sessions of one section that differ in their seed: each alone, or all in one kernel."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from orchestrator.core.run.request import RunRequest
from orchestrator.core.session.backend_types import Bundle, CheckpointSet
from orchestrator.core.session.script import Companion, render_kernel
from orchestrator.core.session.spec import SessionSpec, write_ticket
from orchestrator.core.session.zip_archive import pack
from orchestrator.kernel.wire import Ticket
from orchestrator.stores.section.card_yaml import load_card
from orchestrator.stores.session.code_bundle import CodeStore


@dataclass(frozen=True, slots=True)
class SeedSessions:
    """Tickets and scripts for one section of a project; the session's number is its seed plus 1."""

    project: Path
    backend: str = "local"
    section: str = "section_7_6"

    @property
    def bundle(self) -> Bundle:
        return CodeStore(self.project).bundle(load_card(self.project / "configs/sections", self.section))

    def ticket(
        self, seed: int, *, profile: str = "quick", done: int = 0, models: CheckpointSet | None = None
    ) -> Ticket:
        card = load_card(self.project / "configs/sections", self.section).chosen(seed=seed)
        sizes = RunRequest(card=card, profile=profile).sizes(done)
        return write_ticket(
            SessionSpec(card=card, profile=profile, sizes=sizes, backend=self.backend),
            run_id=f"seed{seed}",
            session=seed + 1,
            attempt=1,
            nonce=f"{seed + 1:032x}",
            bundle_digest=self.bundle.digest,
            inputs=models.entries if models else (),
        )

    def script(self, *tickets: Ticket, inline: tuple[CheckpointSet | None, ...] = ()) -> str:
        """The script of these sessions, the first one with `companions` if there are more."""
        carried = [_archive(one) for one in inline] or [None] * len(tickets)
        return render_kernel(
            CodeStore(self.project).template(),
            ticket=tickets[0],
            bundle=self.bundle,
            title="t",
            version="0",
            inline_archive=carried[0],
            companions=[
                Companion(ticket=ticket, inline_archive=archive)
                for ticket, archive in zip(tickets[1:], carried[1:], strict=True)
            ],
        )


def _archive(models: CheckpointSet | None) -> bytes | None:
    return pack((one.path, (models.root / one.path).read_bytes()) for one in models.entries) if models else None
