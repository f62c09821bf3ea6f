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
from orchestrator.core.scheduling.packs import Packing, places_by_kind, places_of
from orchestrator.core.scheduling.placement import on_kind
from orchestrator.core.scheduling.workload import RemainingWork
from orchestrator.core.section.card import SectionCard
from orchestrator.core.section.session_kind import SessionKind
from orchestrator.pipeline.campaign.context import CampaignContext, request_of_trial
from orchestrator.pipeline.campaign.pack import PackGatherer
from orchestrator.pipeline.campaign.start import switch_messages
from orchestrator.pipeline.campaign.tick_report import TickLog
from orchestrator.pipeline.context import Listing
from orchestrator.pipeline.run.adoption import adopt
from orchestrator.pipeline.run.runner import execute


class TrialStarter:
    """Starts what the scheduler has chosen.

    Args:
        log: Receives the troubles of single trials.
        refused: Lineage id -> why this computer refuses the trial; it is added to.
        listing: The names that the backend lists, read once in a tick.
        began_in: Lineage id -> kind of session that the training began in.
    """

    def __init__(
        self,
        context: CampaignContext,
        log: TickLog,
        refused: dict[str, str],
        listing: Listing,
        began_in: Mapping[str, SessionKind],
    ) -> None:
        self._context = context
        self._log = log
        self._refused = refused
        self._listing = listing
        self._began_in = began_in

    @property
    def seats(self) -> int:
        """Trainings of the campaign that can be in flight together."""
        first = self._context.trials[0].card
        return Packing(places=places_by_kind(self._context.campaign, first, self._on_machine)).seats(
            self._context.campaign.slots
        )

    def places(self, work: RemainingWork, kind: SessionKind) -> int:
        """How many trainings share a kernel of a trial."""
        card = on_kind(self._context.campaign, self._context.trials[work.index].card, kind)
        return places_of(self._context.campaign, card, self._on_machine)

    def shares(self, work: RemainingWork, kind: SessionKind) -> Hashable:
        """What the trainings of one kernel have in common."""
        card = on_kind(self._context.campaign, self._context.trials[work.index].card, kind)
        return card.section, card.kaggle, card.slurm, card.ray, card.device, self._context.code_digest(card)

    def start(self, trials: Sequence[Trial], kind: SessionKind, wall_s: float) -> bool:
        """Start the sessions of several trials in one kernel; whether a slot is used now.

        Raises:
            NotYet: The backend takes no session of this kind now.
        """
        if len(trials) == 1:
            return self._start_one(trials[0], kind, wall_s)
        pack = PackGatherer(self._context.campaign.campaign, places=len(trials))
        for trial in trials:
            self._start_one(trial, kind, wall_s, pack)
        try:
            started = pack.submit()
        except (NameTaken, BadInput) as fault:
            if isinstance(fault, NameTaken) and self._adopt_kernel(pack):
                return True
            # Alone, the first one finds out whether it is its own fault; the others may share a kernel with each other.
            self._log.trouble(trials[0].label, fault)
            started = ()
        for trial in started:
            self._log.changes += switch_messages(trial, self._began_in.get(trial.lineage_id), kind)
        if not started and pack.held:
            return self._start_one(pack.held[0].trial, kind, wall_s)
        return bool(started) or any(self._is_open(trial.lineage_id) for trial in trials)

    def refuse(self, trial: Trial, fault: OrchestratorError) -> None:
        """Note why this computer refuses a trial."""
        self._refused[trial.lineage_id] = str(fault)
        self._log.trouble(trial.label, fault)
        self._store_refusal(trial, f"{fault}. {fault.remedy}".strip())

    def _store_refusal(self, trial: Trial, why: str) -> None:
        if self._context.store_refusal is not None:
            self._context.store_refusal(trial.lineage_id, why)

    def _on_machine(self, card: SectionCard) -> int:
        return self._context.run_context(card).backend.capabilities.places(card.device)

    def _start_one(self, trial: Trial, kind: SessionKind, wall_s: float, pack: PackGatherer | None = None) -> bool:
        """Start a session of a trial, or hold it for a pack; whether it uses a slot now.

        Raises:
            NotYet: The backend takes no session of this kind now.
        """
        context = self._context
        card = on_kind(context.campaign, trial.card, kind)
        run_context = replace(context.run_context(card), waits=False, listing=self._listing)
        if pack is not None:
            run_context = replace(run_context, hold=partial(pack.hold, trial, run_context), places=pack.places)
        try:
            request = request_of_trial(trial, wall_s, context.campaign.campaign, context.new_image_before)
            card = replace(card, pack=context.campaign.pack or card.pack)
            started = execute(run_context, replace(request, card=card))
            self._store_refusal(trial, "")
            if started.end_reason == DETACHED:
                if pack is None:
                    self._log.changes += switch_messages(trial, self._began_in.get(trial.lineage_id), kind)
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
            if isinstance(fault, CheckpointsMissing):
                fault.advise(run_command(trial, run_context.backend.name))
            self.refuse(trial, fault)
        return self._is_open(trial.lineage_id)

    def _adopt_kernel(self, pack: PackGatherer) -> bool:
        """Adopt the campaign's sessions in a kernel of the pack's name, which is not listed yet: whether there are any.

        Another computer started it, or the ledger was lost since. Its sessions cannot be found by their own names.
        """
        trials, adopted = {trial.lineage_id: trial for trial in self._context.trials}, False
        for session in pack.held[0].context.backend.read_all(pack.name):
            if (trial := trials.get(session.ticket.lineage_id)) is None:
                continue
            run_context = self._context.run_context(trial.card)
            try:
                with run_context.models.locked():
                    adopted |= adopt(run_context, session, recovered=True)
            except InUse as fault:
                self._log.trouble(trial.label, fault)
        return adopted

    def _is_open(self, lineage_id: str) -> bool:
        return any(one.stage is not Stage.CLOSED for one in self._context.ledger.sessions(lineage_id))
