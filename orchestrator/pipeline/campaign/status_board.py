"""A campaign as one program sees it: its trials, the ledger, the far side, and where every trial stands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from orchestrator.core.campaign.config import Campaign, Plateau
from orchestrator.core.campaign.expansion import Trial
from orchestrator.core.campaign.stop_rules import on_plateau
from orchestrator.core.campaign.trial_status import PLATEAU, State, TrialStatus, trial_status, with_dependencies
from orchestrator.core.ledger.records import RunRecord, SessionRecord
from orchestrator.pipeline.campaign.context import CampaignContext
from orchestrator.ports import Ledger


class StatusBoard:
    """The standings of all trials, kept up to date by what is new in the ledger.

    Args:
        context: What the campaign works with.
        refused: Lineage id -> why this computer refuses a trial, as an earlier board of this program knew.
    """

    def __init__(self, context: CampaignContext, refused: Mapping[str, str] | None = None) -> None:
        self._context = context
        self._seen = 0
        self._places = {trial.lineage_id: place for place, trial in enumerate(context.trials)}
        self._own: list[TrialStatus] = []
        self._anew = set(self._places)
        self._unrelated = not any(trial.spare or trial.variant.after for trial in context.trials)
        self.refused = dict(refused or {})
        self._live: frozenset[str] = frozenset()
        self.standings: tuple[TrialStatus, ...] = ()
        self.live: tuple[SessionRecord, ...] = ()

    def refuse(self, trial: Trial, why: str) -> None:
        """This computer cannot run a trial; it is not tried again while this program lives."""
        self.refused[trial.lineage_id] = why
        self._anew.add(trial.lineage_id)

    def reason(self, trial: Trial) -> str:
        """Why this computer refuses a trial, empty if it does not."""
        return self.refused.get(trial.lineage_id, "")

    def refresh(self) -> tuple[TrialStatus, ...]:
        """Read what is new, and say where every trial stands."""
        context, places = self._context, self._places
        self.live = tuple(one for one in context.ledger.open_sessions() if one.lineage_id in places)
        live = frozenset(one.lineage_id for one in self.live)
        self._seen, changed = context.ledger.changes(self._seen)
        self._anew |= (changed | (live ^ self._live)) & places.keys()
        self._live = live
        if not self._own:
            runs = _by_lineage(context.ledger.runs())
            self._own = [
                self._standing(trial, runs.get(trial.lineage_id, ()), trial.lineage_id in live)
                for trial in context.trials
            ]
        else:
            for lineage_id in self._anew:
                place = places[lineage_id]
                known = context.ledger.runs(lineage_id)
                self._own[place] = self._standing(context.trials[place], known, lineage_id in live)
        if self._anew:
            self.standings = tuple(self._own) if self._unrelated else with_dependencies(self._own)
            self._anew.clear()
        return self.standings

    def _standing(self, trial: Trial, runs: Sequence[RunRecord], live: bool) -> TrialStatus:
        standing = trial_status(
            trial,
            runs,
            live=live,
            code_digest=self._context.code_digest,
            retries=self._context.campaign.retries,
            refused=self.reason(trial),
        )
        rule = self._context.campaign.stop.plateau
        return _flattened(standing, self._context.ledger, rule) if rule else standing


def read_trial_statuses(
    ledger: Ledger, campaign: Campaign, trials: Sequence[Trial], code_digest: str
) -> tuple[TrialStatus, ...]:
    """Where all trials stand, read once."""
    runs = _by_lineage(ledger.runs())
    live = {one.lineage_id for one in ledger.open_sessions()}
    own = [
        trial_status(
            trial,
            runs.get(trial.lineage_id, ()),
            live=trial.lineage_id in live,
            code_digest=code_digest,
            retries=campaign.retries,
        )
        for trial in trials
    ]
    rule = campaign.stop.plateau
    return with_dependencies([_flattened(one, ledger, rule) if rule else one for one in own])


def _flattened(standing: TrialStatus, ledger: Ledger, rule: Plateau) -> TrialStatus:
    """The same, failed if its training no longer improves."""
    if standing.state is not State.WAITING or standing.run is None:
        return standing
    flat = on_plateau(ledger.sessions(standing.trial.lineage_id), rule)
    return replace(standing, state=State.FAILED, why=PLATEAU) if flat else standing


def _by_lineage(runs: Sequence[RunRecord]) -> dict[str, list[RunRecord]]:
    grouped: dict[str, list[RunRecord]] = {}
    for run in runs:
        grouped.setdefault(run.lineage_id, []).append(run)
    return grouped
