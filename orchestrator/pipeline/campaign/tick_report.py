"""The report of a tick, how it is gathered and sent, and which backends answer in the tick."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from orchestrator.core.autopsy.verdicts import Autopsy
from orchestrator.core.campaign.expansion import Trial
from orchestrator.core.campaign.trial_status import State, TrialStatus, unfinished
from orchestrator.core.errors import BadInput, OrchestratorError, RemoteUnavailable
from orchestrator.core.ledger.records import SessionRecord, Stage
from orchestrator.core.section.card import SectionCard
from orchestrator.pipeline.campaign.context import CampaignContext
from orchestrator.pipeline.campaign.orphans import REMOVED
from orchestrator.pipeline.context import Listing, RunContext

LOST_LEASE = "another tick has taken over"


@dataclass(frozen=True, slots=True, kw_only=True)
class TickReport:
    """What a tick found and did.

    Attributes:
        changes: One sentence each.
        troubles: Failures that the next tick tries again, one sentence each.
        waits: Why no more trials start although some wait: slots, quota, deadline; may be empty.
        stopped: The rule by which the campaign has stopped; empty if it has not.
        backend_away: Whether the backend could not be reached; of several, whether none could.
        orphans_in_flight: Sessions in flight of trainings that the campaign does not name any more.
        autopsies: Lineage id -> why a trial ended badly.
    """

    statuses: tuple[TrialStatus, ...]
    changes: tuple[str, ...]
    troubles: tuple[str, ...] = ()
    waits: str = ""
    stopped: str = ""
    backend_away: bool = False
    orphans_in_flight: int = 0
    autopsies: Mapping[str, Autopsy] = field(default_factory=dict)

    @property
    def over(self) -> bool:
        """Whether no further tick will do anything."""
        if self.orphans_in_flight:
            return False
        if self.stopped:
            return not any(one.state is State.LIVE for one in self.statuses)
        return all(one.state.final for one in self.statuses)

    @property
    def complete(self) -> bool:
        """Whether enough trials of every variant are done, counting spares for failed seeds.

        A search is complete when all its proposals are decided and at least one of them is done.
        """
        return not unfinished(self.statuses)


class TickLog:
    """What the current tick has done so far.

    Attributes:
        changes: One sentence each.
    """

    def __init__(self) -> None:
        self.changes: list[str] = []
        self._troubles: list[str] = []
        self._backend_away = False

    def trouble(self, subject: str, fault: OrchestratorError, *, one_of_several: bool = False) -> None:
        """Add a failure that the next tick tries again.

        Args:
            one_of_several: Whether the campaign goes on on other backends.
        """
        away = isinstance(fault, RemoteUnavailable) and not isinstance(fault, BadInput)
        self._backend_away |= away and not one_of_several
        self._troubles.append(f"{subject}: {fault}" + (f". {fault.remedy}" if fault.remedy else ""))

    def away(self, backend: str, fault: RemoteUnavailable, *, all_away: bool) -> None:
        """Add one of several backends that does not answer; the tick goes on with the others."""
        self._backend_away |= all_away
        self._troubles.append(f"{backend} cannot be used now: {fault}" + (f". {fault.remedy}" if fault.remedy else ""))

    def orphan_closed(self, trial: Trial, record: SessionRecord | None) -> None:
        """Add the end of a session, if it is closed, of a training that the campaign does not name any more."""
        if record is not None and record.stage is Stage.CLOSED:
            end = "collected" if record.restored else f"ended ({record.end_reason}) without a new checkpoint"
            self.changes.append(f"{trial.label} [{trial.name8}]: {end}; {REMOVED}")

    def lost_lease(self) -> None:
        """Another tick has taken over; added once."""
        if LOST_LEASE not in self._troubles:
            self._troubles.append(LOST_LEASE)

    def report(
        self,
        before: tuple[TrialStatus, ...],
        after: tuple[TrialStatus, ...],
        *,
        waits: str,
        stopped: str,
        orphans_in_flight: int,
        autopsies: Mapping[str, Autopsy],
    ) -> TickReport:
        """The report, with every trial whose state has changed."""
        return TickReport(
            statuses=after,
            changes=(*self.changes, *_state_changes(before, after, autopsies)),
            troubles=tuple(self._troubles),
            waits=waits,
            stopped=stopped,
            backend_away=self._backend_away,
            orphans_in_flight=orphans_in_flight,
            autopsies=autopsies,
        )


def _state_changes(
    before: tuple[TrialStatus, ...], after: tuple[TrialStatus, ...], autopsies: Mapping[str, Autopsy]
) -> list[str]:
    earlier = {one.trial.lineage_id: one.state for one in before}
    changes = []
    for one in after:
        state = earlier.get(one.trial.lineage_id)
        if one.state is not state:
            why = f" ({one.why})" if one.why else ""
            examined = autopsies.get(one.trial.lineage_id)
            end = f"; {examined.line}" if examined else ""
            changes.append(f"{one.trial.label} [{one.trial.name8}]: {state or 'proposed'} -> {one.state}{why}{end}")
    return changes


def notify(context: CampaignContext, report: TickReport) -> tuple[str, ...]:
    """Send the notification if the campaign has a webhook and something changed; a failure never stops the campaign.

    Returns:
        A line for the user; empty if nothing was sent.
    """
    if context.send_report is None or not (report.changes or report.stopped):
        return ()
    try:
        context.send_report(
            {
                "campaign": context.campaign.campaign,
                "at": context.clock.now().isoformat(),
                "changes": list(report.changes),
                "troubles": list(report.troubles),
                "states": dict(Counter(one.state.value for one in report.statuses)),
                "stopped": report.stopped,
                "over": report.over,
                "complete": report.complete,
            }
        )
    except OrchestratorError as fault:
        return (f"Notification not sent: {fault}",)
    return ("Notification sent to the webhook",)


class Reach:
    """The backends of a campaign in one tick: one that does not answer is reported once, and the others go on.

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
