"""Starts sessions of trials: each in its own kernel, or several in one."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from orchestrator.core.campaign.expansion import Trial
from orchestrator.core.errors import (
    BadInput,
    CheckpointsMissing,
    InUse,
    NameTaken,
    NotYet,
    OrchestratorError,
    RemoteUnavailable,
    StorageFault,
)
from orchestrator.core.ledger.records import Stage
from orchestrator.core.reporting.finished_trial import run_command
from orchestrator.core.run.summary import DETACHED
from orchestrator.core.scheduling.packs import Packing, places_by_site, places_of
from orchestrator.core.scheduling.placement import on_site
from orchestrator.core.scheduling.workload import RemainingWork
from orchestrator.core.section.card import SectionCard
from orchestrator.core.section.site import Site
from orchestrator.pipeline.campaign.context import CampaignContext, request_of_trial, settings_of
from orchestrator.pipeline.campaign.pack import PackGatherer
from orchestrator.pipeline.campaign.start import switch_messages
from orchestrator.pipeline.campaign.tick_report import Reach, TickLog
from orchestrator.pipeline.context import Listing
from orchestrator.pipeline.run.adoption import adopt
from orchestrator.pipeline.run.runner import execute


class TrialStarter:
    """Starts what the scheduler has chosen.

    Args:
        log: Receives the troubles of single trials.
        refused: Lineage id -> why this computer refuses the trial; it is added to.
        listing: The names that the backends list, read once in a tick.
        reach: The backends that answer in this tick.
        began_at: Lineage id -> site at which the training began.
    """

    def __init__(
        self,
        context: CampaignContext,
        log: TickLog,
        refused: dict[str, str],
        listing: Listing,
        reach: Reach,
        began_at: Mapping[str, Site],
    ) -> None:
        self._context = context
        self._log = log
        self._refused = refused
        self._listing = listing
        self._reach = reach
        self._began_at = began_at

    @property
    def seats(self) -> int:
        """Trainings of the campaign that can be in flight together."""
        first = self._context.trials[0].card
        places = places_by_site(self._context.campaign, first, self._on_machine)
        return Packing(places=places).seats(self._context.campaign.slots)

    def places(self, work: RemainingWork, site: Site) -> int:
        """How many trainings share a kernel of a trial."""
        card = on_site(self._context.trials[work.index].card, site)
        return places_of(self._context.campaign, card, site.backend, self._on_machine)

    def shares(self, work: RemainingWork, site: Site) -> Hashable:
        """What the trainings of one kernel have in common."""
        card = on_site(self._context.trials[work.index].card, site)
        return card.section, settings_of(card, site.backend), card.device, self._context.code_digest(card)

    def start(self, trials: Sequence[Trial], site: Site, wall_s: float) -> bool:
        """Start the sessions of several trials in one kernel; whether a slot is used now.

        Raises:
            NotYet: The backend takes no session there now.
        """
        if len(trials) == 1:
            return self._start_one(trials[0], site, wall_s)
        pack = PackGatherer(self._context.campaign.campaign, places=len(trials))
        for trial in trials:
            self._start_one(trial, site, wall_s, pack)
        try:
            started = pack.submit()
        except (NameTaken, BadInput) as fault:
            if isinstance(fault, NameTaken) and self._adopt_kernel(pack):
                return True
            # Alone, the first one finds out whether it is its own fault; the others may share a kernel with each other.
            self._log.trouble(trials[0].label, fault)
            started = ()
        for trial in started:
            self._log.changes += switch_messages(trial, self._began_at.get(trial.lineage_id), site)
        if not started and pack.held:
            return self._start_one(pack.held[0].trial, site, wall_s)
        return bool(started) or any(self._is_open(trial.lineage_id) for trial in trials)

    def refuse(self, trial: Trial, fault: OrchestratorError) -> None:
        """Note why this computer refuses a trial."""
        self._refused[trial.lineage_id] = str(fault)
        self._log.trouble(trial.label, fault)
        self._store_refusal(trial, f"{fault}. {fault.remedy}".strip())

    def _store_refusal(self, trial: Trial, why: str) -> None:
        if self._context.store_refusal is not None:
            self._context.store_refusal(trial.lineage_id, why)

    def _on_machine(self, card: SectionCard, backend: str) -> int:
        run_context = self._reach.run_context(card, backend)
        return 1 if run_context is None else run_context.backend.capabilities.places(card.device)

    def _start_one(self, trial: Trial, site: Site, wall_s: float, pack: PackGatherer | None = None) -> bool:
        """Start a session of a trial, or hold it for a pack; whether it uses a slot now.

        Raises:
            NotYet: The backend takes no session there now.
        """
        context = self._context
        card = on_site(trial.card, site)
        run_context = self._reach.for_start(card, site.backend, self._listing)
        if run_context is None:
            return False
        if pack is not None:
            run_context = replace(run_context, hold=partial(pack.hold, trial, run_context), places=pack.places)
        try:
            request = request_of_trial(trial, wall_s, context.campaign.campaign, context.new_image_before)
            card = replace(card, pack=context.campaign.pack or card.pack)
            started = execute(run_context, replace(request, card=card))
            self._store_refusal(trial, "")
            if started.end_reason == DETACHED:
                if pack is None:
                    self._log.changes += switch_messages(trial, self._began_at.get(trial.lineage_id), site)
                return True
        except InUse as fault:
            self._log.trouble(trial.label, fault)
        except NotYet:
            if self._is_open(trial.lineage_id):
                return True  # another program had started it; it was adopted
            raise
        except (RemoteUnavailable, StorageFault):
            raise
        except OrchestratorError as fault:
            self.refuse(trial, _advised(fault, trial, site.backend))
        return self._is_open(trial.lineage_id)

    def _adopt_kernel(self, pack: PackGatherer) -> bool:
        """Adopt the campaign's sessions in a kernel of the pack's name, which is not listed yet: whether there are any.

        Another computer started it, or the ledger was lost since. Its sessions cannot be found by their own names.
        """
        trials, adopted = {trial.lineage_id: trial for trial in self._context.trials}, False
        backend = pack.held[0].context.backend
        for session in backend.read_all(pack.name):
            if (trial := trials.get(session.ticket.lineage_id)) is None:
                continue
            run_context = self._context.run_context(trial.card, backend.name)
            try:
                with run_context.models.locked():
                    adopted |= adopt(run_context, session, recovered=True)
            except InUse as fault:
                self._log.trouble(trial.label, fault)
        return adopted

    def _is_open(self, lineage_id: str) -> bool:
        return any(one.stage is not Stage.CLOSED for one in self._context.ledger.sessions(lineage_id))


def _advised(fault: OrchestratorError, trial: Trial, backend: str) -> OrchestratorError:
    """A refusal, with the command that goes on without missing checkpoints."""
    if isinstance(fault, CheckpointsMissing):
        fault.advise(run_command(trial, backend))
    return fault
