"""The concrete classes of a campaign: what its ticks work with, where its trials stand, its table."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime

from orchestrator import __version__
from orchestrator.core.campaign.config import Campaign
from orchestrator.core.campaign.expansion import Trial
from orchestrator.core.campaign.orphans import sessions_of_campaign
from orchestrator.core.campaign.trial_status import TrialStatus
from orchestrator.core.errors import RunFailed
from orchestrator.core.ledger.records import Stage
from orchestrator.core.reporting.finished_trial import Finished
from orchestrator.core.scheduling.quota import promised_s, spent_s, week_of
from orchestrator.core.secret_search import SecretValue, masked
from orchestrator.core.section.card import SectionCard
from orchestrator.core.section.lineage import short
from orchestrator.core.session.backend_types import Quota
from orchestrator.kernel.reporting.trial_report import StitchedCurve
from orchestrator.notices.webhook import Webhook, webhook_address
from orchestrator.pipeline.campaign.context import CampaignContext
from orchestrator.pipeline.campaign.finished_trials import curve_of, finished_trials, since_beginning
from orchestrator.pipeline.campaign.orphans import OrphanFinder
from orchestrator.pipeline.campaign.status_board import read_trial_statuses
from orchestrator.pipeline.context import RunContext
from orchestrator.ports import Backend, Clock, Narrator, Notifier
from orchestrator.stores.campaign.campaign_yaml import card_reader
from orchestrator.stores.ledger.lease import SqliteLease
from orchestrator.stores.ledger.reading import ledger_for_reading
from orchestrator.stores.ledger.refusals import SqliteRefusals
from orchestrator.stores.ledger.sqlite import SqliteLedger
from orchestrator.stores.project import Project, require_writable
from orchestrator.stores.secrets.in_use import secrets_in_use, webhook_secrets
from orchestrator.stores.secrets.outgoing import Gate
from orchestrator.stores.session.code_bundle import CodeStore, FrozenCode
from orchestrator.stores.session.results import ResultsTree
from orchestrator.stores.system_clock import SystemClock
from orchestrator.wiring import make_backend, models_directory
from orchestrator.wiring.searches import searching_of


@contextmanager
def campaign_context(
    project: Project,
    campaign: Campaign,
    trials: tuple[Trial, ...],
    voice_of: Callable[[str], Narrator],
    clock: Clock | None = None,
) -> Iterator[CampaignContext]:
    """Everything that the ticks of a campaign need.

    Args:
        voice_of: First eight characters of a lineage -> narrator of its runs.

    Raises:
        BadInput: A folder that must be written cannot be, or the campaign's webhook has no address.
    """
    clock = clock or SystemClock()
    for folder in (project.results, project.own):
        require_writable(folder)
    ledger = SqliteLedger(project.own / "ledger.sqlite")
    gate = Gate(lambda: (*secrets_in_use(), *_webhook_in_use(campaign)))
    code = FrozenCode(CodeStore(project.code, gate))
    backends: dict[object, Backend] = {}

    def run_context(card: SectionCard) -> RunContext:
        if card.kaggle not in backends:
            backends[card.kaggle] = make_backend(campaign.backend, project, card, clock)
        return RunContext(
            backend=backends[card.kaggle],
            clock=clock,
            ledger=ledger,
            models=models_directory(project, card),
            results=ResultsTree(project.results),
            code=code,
            gate=gate,
            narrator=voice_of(short(card.lineage.id)),
            draw_token=lambda: secrets.token_hex(16),
            version=__version__,
        )

    try:
        yield CampaignContext(
            campaign=campaign,
            trials=trials,
            ledger=ledger,
            clock=clock,
            lease=SqliteLease(ledger, project.own / "campaigns.lock", clock.now),
            run_context=run_context,
            card_of=card_reader(project.cards),
            code_digest=code.bundle().digest,
            refusals=SqliteRefusals(ledger),
            searching=searching_of(project, campaign, ledger),
            herald=_herald(campaign),
        )
    finally:
        ledger.close()


def _herald(campaign: Campaign) -> Notifier | None:
    if campaign.notify is None:
        return None
    address = webhook_address(campaign.notify.webhook, campaign.notify.webhook_variable, os.environ)
    return Webhook(address, mask=lambda text: masked(text, (*secrets_in_use(), *_webhook_in_use(campaign))))


def _webhook_in_use(campaign: Campaign) -> tuple[SecretValue, ...]:
    """The address that the campaign tells, a secret whatever its variable is called."""
    if campaign.notify is None:
        return ()
    variable = campaign.notify.webhook_variable
    address = campaign.notify.webhook or os.environ.get(str(variable), "")
    return webhook_secrets(variable or "notify.webhook", address)


def campaign_statuses(project: Project, campaign: Campaign, trials: tuple[Trial, ...]) -> tuple[TrialStatus, ...]:
    """Where the trials stand by the ledger; asking creates nothing, but may update an older ledger."""
    path = project.own / "ledger.sqlite"
    code_digest = CodeStore(project.code).digest()
    with ledger_for_reading(path) as ledger:
        return read_trial_statuses(ledger, campaign, trials, code_digest)


def refusals_of(project: Project) -> Mapping[str, str]:
    """Lineage id -> why the last tick refused it."""
    with ledger_for_reading(project.own / "ledger.sqlite") as ledger:
        return SqliteRefusals(ledger).reasons()


def spent_and_promised_s(
    project: Project, campaign: Campaign, trials: tuple[Trial, ...], quota: Quota | None, now: datetime
) -> tuple[float, float]:
    """Wall seconds that the campaign's closed sessions used of the week under way, and that those in flight may use.

    A session in flight of what has left its search or was taken out counts as used: no forecast plays it again.
    """
    path, named = project.own / "ledger.sqlite", {trial.lineage_id for trial in trials}
    left = {one for trial in trials if (searched := trial.variant.searched) is not None for one in searched.left}
    with ledger_for_reading(path) as ledger:
        since, _ = week_of(now, quota)
        mine = sessions_of_campaign(ledger.sessions(), ledger.runs(), campaign.campaign, named | left)
        flying = [one for one in mine if one.stage is not Stage.CLOSED]
        gone = promised_s([one for one in flying if one.lineage_id not in named and one.backend == campaign.backend])
        return spent_s(mine, since) + gone, promised_s([one for one in flying if one.lineage_id in named])


def taken_out_in_flight(project: Project, campaign: Campaign, trials: tuple[Trial, ...]) -> list[str]:
    """Sessions of lines that were taken out of the file, and what becomes of them; a sentence each."""
    path, named = project.own / "ledger.sqlite", {trial.lineage_id for trial in trials}
    named |= {one for trial in trials if (searched := trial.variant.searched) is not None for one in searched.left}
    with ledger_for_reading(path) as ledger:
        strays = OrphanFinder(campaign, card_reader(project.cards), ledger)
        flying = [
            f"{trial.label} [{trial.name8}] is in flight, and the file has it no more: it holds a slot until it is home"
            for trial in strays.flying(named)
        ]
        return flying + [f"{name} {fault} {fault.remedy}" for name, fault in strays.faults()]


def quota_of(campaign: Campaign, project: Project, card: SectionCard) -> Quota | None:
    """The weekly quota of the campaign's backend, None where nothing is counted.

    Raises:
        RemoteUnavailable: It cannot be asked.
    """
    return make_backend(campaign.backend, project, card).quota()


def finished_of(
    project: Project, campaign: Campaign, trials: tuple[Trial, ...]
) -> tuple[tuple[Finished, ...], tuple[TrialStatus, ...]]:
    """The trials that are done under today's code, and where all of them stand, of one moment.

    Raises:
        RunFailed: The outputs of one are gone, damaged or of another session.
    """
    path, results = project.own / "ledger.sqlite", ResultsTree(project.results)
    code_digest = CodeStore(project.code).digest()
    with ledger_for_reading(path) as ledger:
        standings = read_trial_statuses(ledger, campaign, trials, code_digest)
        return tuple(finished_trials(ledger, results, standings, code_digest)), standings


def curves_so_far(project: Project, trials: tuple[Trial, ...]) -> tuple[dict[str, StitchedCurve], tuple[str, ...]]:
    """How the trials have learned so far, finished or not: lineage id -> curve, and why any has none.

    A curve is for the eyes: one that cannot be read must not hide where all trials stand.
    """
    path, results = project.own / "ledger.sqlite", ResultsTree(project.results)
    curves: dict[str, StitchedCurve] = {}
    troubles: list[str] = []
    with ledger_for_reading(path) as ledger:
        for trial in trials:
            sessions = ledger.sessions(trial.lineage_id)
            try:
                if sessions:
                    curves[trial.lineage_id] = curve_of(results, since_beginning(sessions, sessions[-1]))
            except RunFailed as fault:
                troubles.append(f"No curve of {trial.label}: {fault}")
    return curves, tuple(troubles)
