"""What other backends answered when they were asked last; a page that does not ask shows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from orchestrator.core.page.conversion.chain import Chain
from orchestrator.core.session.live_progress import LiveProgress
from orchestrator.core.session.time_budget import Quota
from orchestrator.wiring import LOCAL


@dataclass(slots=True, kw_only=True)
class Answers:
    """The newest answers.

    Attributes:
        live: Session -> its progress, of those that reported any.
        quotas: Backend -> its weekly quota, None if it could not be read.
        notes: What could not be read, a sentence each.
    """

    live: Mapping[str, LiveProgress] = field(default_factory=dict)
    quotas: Mapping[str, Quota | None] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def keep(self, chains: Sequence[Chain], quotas: Mapping[str, Quota | None], notes: tuple[str, ...]) -> None:
        """Keep the answers to a page that has asked, in place of the earlier ones."""
        live = [one.live for one in chains if one.live is not None]
        self.live = {one.session: one for one in live if one.backend != LOCAL and one.reported_at is not None}
        self.quotas, self.notes = quotas, notes

    def added_to(self, chains: Sequence[Chain]) -> list[Chain]:
        """The trainings with the progress of their sessions in flight elsewhere."""
        return [
            replace(one, live=self.live.get(one.live.session, one.live))
            if one.live is not None and one.live.reported_at is None
            else one
            for one in chains
        ]
