"""Which backends of a campaign answer in one tick: one that does not is reported once, and the others go on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from orchestrator.core.campaign.trial_status import TrialStatus
from orchestrator.core.errors import RemoteUnavailable
from orchestrator.core.section.card import SectionCard
from orchestrator.pipeline.campaign.context import CampaignContext
from orchestrator.pipeline.campaign.tick_report import TickLog
from orchestrator.pipeline.context import Listing, RunContext


class Reach:
    """The backends of a campaign in one tick.

    Args:
        log: Receives one line for each backend that does not answer.

    Attributes:
        several: Whether the campaign has more than one backend. If it has one, a tick is nothing without it.
        away: Backends that did not answer, and are not asked again in this tick.
    """

    def __init__(self, context: CampaignContext, log: TickLog) -> None:
        self._context = context
        self._log = log
        self.backends = tuple(context.campaign.limits)
        self.several = len(self.backends) > 1
        self.away: set[str] = set()

    def run_context(self, card: SectionCard, backend: str) -> RunContext | None:
        """The dependencies of a run on a backend; None if it does not answer.

        A session may be in flight on a backend that the campaign does not name any more: it is collected from there.

        Raises:
            RemoteUnavailable: It does not answer, and the campaign has no other.
        """
        if backend in self.away:
            return None
        try:
            return self._context.run_context(card, backend)
        except RemoteUnavailable as fault:
            if self.backends == (backend,):
                raise
            self.lost(backend, fault)
            return None

    def lost(self, backend: str, fault: RemoteUnavailable) -> None:
        """Ask a backend no more in this tick; it is reported once."""
        if backend not in self.away:
            self.away.add(backend)
            self._log.away(backend, fault, all_away=self.away.issuperset(self.backends))

    def probe(self, ready: Sequence[TrialStatus], listing: Listing) -> None:
        """Find out whether the backends answer on which trials have begun: only if not, the trials may go on elsewhere.

        Args:
            ready: Trials that may start now.
        """
        if not self.several:
            return
        for backend, one in {one.site.backend: one for one in ready if one.site is not None}.items():
            run_context = self.run_context(one.trial.card, backend) if backend in self.backends else None
            if run_context is not None:
                try:
                    listing.all_names(run_context.backend, one.trial.card.section)
                except RemoteUnavailable as fault:
                    self.lost(backend, fault)

    def for_start(self, card: SectionCard, backend: str, listing: Listing) -> RunContext | None:
        """What a tick starts a session with; it asks every backend for sessions that the ledger does not know."""
        own = self.run_context(card, backend)
        if own is None:
            return None
        elsewhere = tuple(one.backend for one in self.others(card, backend))
        return replace(own, waits=False, listing=listing, elsewhere=elsewhere, away=self.lost)

    def others(self, card: SectionCard, backend: str) -> tuple[RunContext, ...]:
        """A run on each backend that answers, except one of them."""
        found = (self.run_context(card, other) for other in self.backends if other != backend)
        return tuple(one for one in found if one is not None)
