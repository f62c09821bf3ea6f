"""One tick of a campaign: collect what has ended, start what fits, report what changed.

A tick uses the same steps as `run`, and leaves where `run` would wait. After a kill, it leaves what a killed `run`
leaves.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterator, Mapping
from dataclasses import replace

from orchestrator.core.autopsy.verdicts import Autopsy
from orchestrator.core.campaign.expansion import Trial
from orchestrator.core.campaign.stop_rules import is_resting, resting_message, stopped_by
from orchestrator.core.campaign.trial_status import State, TrialStatus
from orchestrator.core.errors import NotYet, OrchestratorError, RemoteUnavailable, StorageFault
from orchestrator.core.ledger.records import SessionRecord, Stage
from orchestrator.core.scheduling.packs import PackOrder
from orchestrator.core.scheduling.workload import RemainingWork, remaining_work
from orchestrator.core.search.proposals import Curve
from orchestrator.pipeline.campaign.context import CampaignContext, read_trial_statuses, request_of_trial
from orchestrator.pipeline.campaign.orphans import REMOVED, find_orphans, stop_removed
from orchestrator.pipeline.campaign.recover import recover
from orchestrator.pipeline.campaign.start import Room, room_for, start_order, stranded, without_held
from orchestrator.pipeline.campaign.starter import TrialStarter
from orchestrator.pipeline.campaign.tick_report import LOST_LEASE, Reach, TickLog, TickReport
from orchestrator.pipeline.context import Listing, RunContext
from orchestrator.pipeline.run.runner import execute
from orchestrator.pipeline.search.pruning import prune_running
from orchestrator.pipeline.session.look import is_overdue, look


class CampaignTicker:
    """Ticks of one campaign by one program.

    Args:
        context: The dependencies of the campaign. Its lease must have been taken.
        recovering: Whether the backend may have sessions of newly proposed trials that the ledger does not know.
    """

    def __init__(self, context: CampaignContext, *, recovering: bool = False) -> None:
        self._context = context
        self._recovering = recovering
        self._refused: dict[str, str] = {}
        self._live_curves: dict[str, Curve] = {}
        self._log, self._listing = TickLog(), Listing()
        self._reach = Reach(context, self._log)
        self._update_trials()

    def tick(self) -> TickReport:
        """Advance each session in flight by one bounded step, and start as many sessions as there are free slots."""
        self._log, self._listing = TickLog(), Listing()
        self._reach = Reach(self._context, self._log)
        self._update_trials()
        before = self._statuses()
        for record in self._in_flight():
            self._collect(record)
        while new := self._update_trials():
            self._collect_new(new)
        waits, stopped = self._start()
        self._update_trials()
        searching = self._context.searching
        for subject, fault in (*self._orphans.faults(), *(searching.faults() if searching else ())):
            self._log.trouble(subject, fault)
        orphans = sum(one.lineage_id in self._removed for one in self._in_flight())
        after = self._statuses()
        return self._log.report(
            before,
            after,
            waits=waits,
            stopped=stopped,
            orphans_in_flight=orphans,
            autopsies=self._autopsies(after),
        )

    def _autopsies(self, statuses: tuple[TrialStatus, ...]) -> Mapping[str, Autopsy]:
        bad = [one for one in statuses if one.ended_badly]
        return self._context.examine(bad) if bad and self._context.examine is not None else {}

    def _statuses(self) -> tuple[TrialStatus, ...]:
        context = self._context
        return read_trial_statuses(context.ledger, context.campaign, context.trials, context.code_digest, self._refused)

    def _update_trials(self) -> tuple[Trial, ...]:
        """Read which trials the campaign has now, and which of its sessions in flight are of none; the new trials."""
        context, searching = self._context, self._context.searching
        if searching is not None:
            self._context = replace(context, trials=searching.trials())
        known = {trial.lineage_id for trial in context.trials}
        self._trials = {trial.lineage_id: trial for trial in self._context.trials}
        self._removed = {trial.lineage_id: trial for trial in (searching.orphans() if searching else ())}
        self._orphans = find_orphans(
            context.campaign, context.card_of, context.ledger, ChainMap(self._trials, self._removed)
        )
        self._removed |= {trial.lineage_id: trial for trial in self._orphans.trials}
        return tuple(trial for trial in self._context.trials if trial.lineage_id not in known)

    def _collect_new(self, new: tuple[Trial, ...]) -> None:
        """Collect what has ended of new trials. After a recovery, first look them up on the backend."""
        if self._recovering:
            recover(replace(self._context, trials=new))
        lineages = {trial.lineage_id for trial in new}
        for record in self._in_flight():
            if record.lineage_id in lineages:
                self._collect(record)

    def _in_flight(self) -> tuple[SessionRecord, ...]:
        """Open sessions of the campaign's trials, then those of removed trials."""
        records = self._context.ledger.open_sessions()
        return (
            *(one for one in records if one.lineage_id in self._trials),
            *(one for one in records if one.lineage_id in self._removed),
        )

    def _collect(self, record: SessionRecord) -> None:
        current = self._context.ledger.session(record.key)
        if current is None or current.stage is Stage.CLOSED:
            return  # collected together with an earlier session of its lineage
        trial = self._trials.get(record.lineage_id) or self._removed[record.lineage_id]
        found = self._reach.run_context(trial.card, record.backend)
        if found is None:
            return
        run_context = replace(found, waits=False)
        try:
            ended = {}
            # An overdue session is polled under the lock of its models directory: polling fetches its outputs.
            if record.stage is Stage.SUBMITTED and record.handle and not is_overdue(run_context, record):
                ended[record.key] = look(run_context, record)
            if self._holds_lease():
                request = request_of_trial(trial, campaign=self._context.campaign.campaign)
                execute(run_context, replace(request, starts=False), ended)
                if record.lineage_id in self._removed:
                    self._log.orphan_closed(trial, self._context.ledger.session(record.key))
        except NotYet:
            self._stop_unwanted(run_context, trial, record)
        except StorageFault:
            raise  # no other session could be recorded either
        except OrchestratorError as fault:
            self._trouble(record, fault)

    def _trouble(self, record: SessionRecord, fault: OrchestratorError) -> None:
        """Note what went wrong with one session; one of several backends that does not answer is asked no more."""
        if self._reach.several and isinstance(fault, RemoteUnavailable) and fault.transient:
            self._reach.lost(record.backend, fault)
        else:
            self._log.trouble(record.slug, fault, one_of_several=self._reach.several)

    def _stop_unwanted(self, run_context: RunContext, trial: Trial, record: SessionRecord) -> None:
        """Ask a running session to stop that a search has pruned, or whose line was removed. Its checkpoint stays."""
        current, searching = self._context.ledger.session(record.key) or record, self._context.searching
        try:
            if trial.lineage_id not in self._removed:
                pruned = searching and prune_running(run_context, searching, trial, current, self._live_curves)
                why = "pruned" if pruned else ""
            else:
                # A search that lacks results proposes less than it did before.
                by_file = trial.lineage_id in {one.lineage_id for one in self._orphans.trials}
                certain = by_file or not (self._recovering or (searching and searching.faults()))
                why = REMOVED if certain and stop_removed(run_context, current) else ""
            if why and current.stop_asked_by is None:
                self._log.changes.append(f"{trial.label} [{trial.name8}]: {why}, its session is asked to stop")
        except NotYet:
            return  # it has not shown its number yet: the next tick asks
        except StorageFault:
            raise
        except OrchestratorError as fault:
            self._trouble(record, fault)

    def _start(self) -> tuple[str, str]:
        """Start what fits.

        Returns:
            Why no more trials start, and the rule by which the campaign has stopped; each may be empty.
        """
        context, statuses, now = self._context, self._statuses(), self._context.clock.now()
        stopped = stopped_by(context.campaign.stop, (one.why for one in statuses if one.state is State.FAILED), now)
        waiting = [one for one in statuses if one.state is State.WAITING]
        if stopped or not waiting:
            return "", stopped
        in_flight = (*self._in_flight(), *self._orphans.unknown_running(now))
        slots = context.campaign.slots
        if (every := Room(slots, slots.sites, in_flight)).is_full:
            return every.why_full(), ""
        resting = resting_message([one.due_at for one in waiting if one.due_at and is_resting(one.due_at, now)])
        ready = [one for one in waiting if not is_resting(one.due_at, now)]
        if not ready:
            return resting, ""
        longest_s = {
            run_context.backend.name: run_context.backend.capabilities.max_wall_s
            for run_context in self._reach.others(ready[0].trial.card, "")
        }
        self._reach.probe(ready, self._listing)
        ready, held = without_held(ready, self._reach.away, now)
        work = {one.index: one for one in remaining_work(context.campaign, statuses, longest_s)}
        began_at = {one.trial.lineage_id: one.site for one in ready if one.site is not None}
        starter = TrialStarter(context, self._log, self._refused, self._listing, self._reach, began_at)
        for trial, fault in stranded(context, ready, work):
            starter.refuse(trial, fault)
        ready = [one for one in ready if work[one.trial.index].options]
        room, unread = room_for(context, self._reach, ready, work, in_flight, ChainMap(self._trials, self._removed))
        if unread is not None:
            self._log.trouble("quota", unread, one_of_several=self._reach.several)
        full = self._fill(room, starter, start_order(starter.seats, work, ready))
        return "; ".join(filter(None, (full or resting, held))), ""

    def _fill(self, room: Room, starter: TrialStarter, order: Iterator[RemainingWork]) -> str:
        """Start trials in this order until the room is full; why some did not start, empty if all did."""
        passed_over, packs = False, PackOrder(order, starter.shares)
        while (work := packs.next()) is not None:
            if room.is_full:
                return room.why_full()
            granted = room.grant(work, self._context.clock.now())
            if granted is None:
                passed_over = True
                continue
            if not self._holds_lease():
                return LOST_LEASE
            site, wall_s = granted
            try:
                together = packs.joining(work, starter.places(work, site), site)
                started = starter.start([self._context.trials[one.index] for one in together], site, wall_s)
            except NotYet as fault:
                room.close(site, str(fault))
                started, passed_over = False, True
            except RemoteUnavailable as fault:
                if not self._reach.several:
                    self._log.trouble(self._context.trials[work.index].label, fault)
                    return "the backend cannot be reached"
                self._reach.lost(site.backend, fault)
                started, passed_over = False, True
            for backend in self._reach.away:
                room.close_backend(backend)
            if started:
                room.use(site, wall_s)
        return room.why_full() if passed_over else ""

    def _holds_lease(self) -> bool:
        if self._context.lease.holds():
            return True
        self._log.lost_lease()
        return False
