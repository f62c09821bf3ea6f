"""The concrete classes of a campaign, and what its commands read from the ledger."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import datetime
from functools import partial
from typing import Any

from orchestrator import __version__
from orchestrator.core.autopsy.verdicts import Autopsy
from orchestrator.core.campaign.config import Campaign
from orchestrator.core.campaign.expansion import Trial
from orchestrator.core.campaign.orphans import sessions_of_campaign
from orchestrator.core.campaign.trial_status import State, TrialStatus
from orchestrator.core.errors import RunFailed
from orchestrator.core.ledger.records import Stage
from orchestrator.core.reporting.finished_trial import Finished
from orchestrator.core.scheduling.placement import on_site
from orchestrator.core.scheduling.quota import metered_sessions, promised_s, spent_s, week_of
from orchestrator.core.secret_search import SecretValue
from orchestrator.core.section.card import SectionCard
from orchestrator.core.section.lineage import short
from orchestrator.core.section.site import Site
from orchestrator.core.session.time_budget import Quota
from orchestrator.kernel.reporting.trial_report import StitchedCurve
from orchestrator.notices.webhook import Webhook, webhook_address
from orchestrator.pipeline.campaign.context import CampaignContext, read_trial_statuses, settings_of
from orchestrator.pipeline.campaign.finished_trials import curve_of, finished_trials, since_beginning
from orchestrator.pipeline.campaign.orphans import find_orphans
from orchestrator.pipeline.context import RunContext
from orchestrator.ports import Backend, Clock, Narrator
from orchestrator.stores.campaign.campaign_yaml import card_reader
from orchestrator.stores.ledger.lease import SqliteLease, SqliteRefusals
from orchestrator.stores.ledger.reading import ledger_for_reading
from orchestrator.stores.ledger.sqlite import SqliteLedger
from orchestrator.stores.project import Project, require_unmoved, require_writable
from orchestrator.stores.proof.records import proof_of_code
from orchestrator.stores.secrets.in_use import secrets_in_use, webhook_secrets
from orchestrator.stores.secrets.outgoing import ALLOWED, Gate
from orchestrator.stores.secrets.rules import masking
from orchestrator.stores.session.code_bundle import CodeStore, FrozenCode
from orchestrator.stores.session.results import ResultsTree
from orchestrator.stores.system_clock import SystemClock
from orchestrator.wiring import make_backend, models_directory, present_digest
from orchestrator.wiring.searches import searching_of


@contextmanager
def campaign_context(
    project: Project,
    campaign: Campaign,
    trials: tuple[Trial, ...],
    narrator_of: Callable[[str], Narrator],
    clock: Clock | None = None,
    *,
    only_look: bool = False,
) -> Iterator[CampaignContext]:
    """The dependencies of a campaign's ticks.

    Args:
        narrator_of: First eight characters of a lineage id -> narrator of its runs.
        only_look: Read only: create nothing, and work on a read-only disk.

    Raises:
        BadInput: A folder is not writable, or the campaign's webhook has no address.
    """
    clock = clock or SystemClock()
    for folder in () if only_look else (project.results, project.own):
        require_writable(folder)
    mask = masking((*secrets_in_use(), *webhooks_in_use(campaign)))
    home, path = require_unmoved(project.own), project.own / "ledger.sqlite"
    gate = Gate(lambda: (*secrets_in_use(), *webhooks_in_use(campaign)), project.configs / ALLOWED)
    code = FrozenCode(CodeStore.of(project, gate))
    for trial in trials:
        code.bundle(trial.card)  # refuse code that cannot be sent before anything else happens
    backends: dict[object, Backend] = {}

    def run_context(card: SectionCard, backend: str) -> RunContext:
        settings = (backend, settings_of(card, backend))
        if settings not in backends:
            backends[settings] = make_backend(backend, project, card, clock)
        return RunContext(
            backend=backends[settings],
            clock=clock,
            ledger=ledger,
            models=models_directory(project, card),
            results=ResultsTree(project.results),
            code=code,
            gate=gate,
            narrator=narrator_of(short(card.lineage.id)),
            draw_token=lambda: secrets.token_hex(16),
            version=__version__,
            proven=partial(proof_of_code, project.own),
            require_home=home,
        )

    with ledger_for_reading(path) if only_look else closing(SqliteLedger(path, mask)) as ledger:
        yield CampaignContext(
            campaign=campaign,
            trials=trials,
            ledger=ledger,
            clock=clock,
            lease=SqliteLease(ledger, project.own / "campaigns.lock", clock.now),
            run_context=run_context,
            card_of=card_reader(project.cards),
            code_digest=lambda card: code.bundle(card).digest,
            store_refusal=lambda lineage_id, why: SqliteRefusals(ledger).store(lineage_id, mask(why)),
            searching=searching_of(project, campaign, ledger),
            send_report=_send_report(campaign),
            examine=_examine(project, campaign, ledger),
        )


def _examine(
    project: Project, campaign: Campaign, ledger: SqliteLedger
) -> Callable[[Sequence[TrialStatus]], Mapping[str, Autopsy]]:
    """Examines trials that ended badly, each once until its status changes: a campaign ticks for days."""
    known: dict[str, tuple[TrialStatus, Autopsy]] = {}

    def examine(statuses: Sequence[TrialStatus]) -> Mapping[str, Autopsy]:
        from orchestrator.wiring.autopsies import Autopsies

        new = [one for one in statuses if known.get(one.trial.lineage_id, (None,))[0] != one]
        refusals = SqliteRefusals(ledger).reasons()
        found = Autopsies(project, ledger).of_trials(campaign, campaign.campaign, new, refusals) if new else {}
        known.update({one.trial.lineage_id: (one, found[one.trial.lineage_id]) for one in new})
        return {one.trial.lineage_id: known[one.trial.lineage_id][1] for one in statuses}

    return examine


def trial_autopsies(
    project: Project, campaign: Campaign, file: str, statuses: Sequence[TrialStatus]
) -> Mapping[str, Autopsy]:
    """Lineage id -> why a trial ended badly.

    Args:
        file: What `campaign tick` is called with.
    """
    waiting = {one.trial.lineage_id for one in statuses if one.state in (State.WAITING, State.FAILED)}
    refusals = {lineage: why for lineage, why in refusals_of(project).items() if lineage in waiting}
    if not refusals and not any(one.ended_badly for one in statuses):
        return {}
    from orchestrator.wiring.autopsies import autopsies

    with autopsies(project) as examined:
        return examined.of_trials(campaign, file, statuses, refusals)


def _send_report(campaign: Campaign) -> Callable[[Mapping[str, Any]], None] | None:
    if campaign.notify is None:
        return None
    address = webhook_address(campaign.notify.webhook, campaign.notify.webhook_variable, os.environ)
    return Webhook(address, mask=masking((*secrets_in_use(), *webhooks_in_use(campaign)))).send


def webhooks_in_use(campaign: Campaign) -> tuple[SecretValue, ...]:
    """The address of the campaign's webhook: a secret, whatever the name of its variable."""
    if campaign.notify is None:
        return ()
    variable = campaign.notify.webhook_variable
    address = campaign.notify.webhook or os.environ.get(str(variable), "")
    return webhook_secrets(variable or "notify.webhook", address)


def campaign_statuses(project: Project, campaign: Campaign, trials: tuple[Trial, ...]) -> tuple[TrialStatus, ...]:
    """The status of every trial. Creates no ledger."""
    path = project.own / "ledger.sqlite"
    code_digest = present_digest(project)
    with ledger_for_reading(path) as ledger:
        return read_trial_statuses(ledger, campaign, trials, code_digest)


def refusals_of(project: Project) -> Mapping[str, str]:
    """Lineage id -> why the last tick refused the trial."""
    with ledger_for_reading(project.own / "ledger.sqlite") as ledger:
        return SqliteRefusals(ledger).reasons()


def spent_and_promised_s(
    project: Project, campaign: Campaign, trials: tuple[Trial, ...], quota: Quota | None, now: datetime
) -> tuple[float, float]:
    """Wall seconds that closed sessions used in the current week, and that sessions in flight may still use.

    A session in flight that no trial of the campaign owns counts as used, because the forecast does not repeat it.
    """
    path, named = project.own / "ledger.sqlite", {trial.lineage_id for trial in trials}
    orphans = {one for trial in trials if (searched := trial.variant.searched) is not None for one in searched.orphans}
    with ledger_for_reading(path) as ledger:
        since, _ = week_of(now, quota)
        of_campaign = sessions_of_campaign(ledger.sessions(), ledger.runs(), campaign.campaign, named | orphans)
        own = metered_sessions(campaign.slots, of_campaign)
        in_flight = [one for one in own if one.stage is not Stage.CLOSED]
        not_named = [one for one in in_flight if one.lineage_id not in named and one.backend in campaign.limits]
        promised = promised_s([one for one in in_flight if one.lineage_id in named])
        return spent_s(own, since) + promised_s(not_named), promised


def removed_in_flight(project: Project, campaign: Campaign, trials: tuple[Trial, ...]) -> list[str]:
    """Sessions in flight of lines that were removed from the file, a sentence each."""
    path, named = project.own / "ledger.sqlite", {trial.lineage_id for trial in trials}
    named |= {one for trial in trials if (searched := trial.variant.searched) is not None for one in searched.orphans}
    with ledger_for_reading(path) as ledger:
        orphans = find_orphans(campaign, card_reader(project.cards), ledger, named)
        return [
            *(
                f"{trial.label} [{trial.name8}] is in flight and was removed from the file: "
                "it uses a slot until a tick has stopped and collected it"
                for trial in orphans.trials
            ),
            *(f"{slug} {fault} {fault.remedy}" for slug, fault in orphans.faults()),
        ]


def quota_of(site: Site, project: Project, card: SectionCard) -> Quota | None:
    """The weekly quota of the sessions at a site, None if they have none.

    Raises:
        RemoteUnavailable: The quota cannot be read.
    """
    return make_backend(site.backend, project, on_site(card, site)).quota()


def finished_of(
    project: Project, campaign: Campaign, trials: tuple[Trial, ...]
) -> tuple[tuple[Finished, ...], tuple[TrialStatus, ...]]:
    """The trials that are done with the current code, and the status of all trials, from one reading of the ledger.

    Raises:
        RunFailed: Outputs of a finished trial are missing, damaged or of another session.
    """
    path, results = project.own / "ledger.sqlite", ResultsTree(project.results)
    code_digest = present_digest(project)
    with ledger_for_reading(path) as ledger:
        statuses = read_trial_statuses(ledger, campaign, trials, code_digest)
        return tuple(finished_trials(ledger, results, statuses, code_digest)), statuses


def curves_so_far(project: Project, trials: tuple[Trial, ...]) -> tuple[dict[str, StitchedCurve], tuple[str, ...]]:
    """Learning curves of all trials, finished or not: lineage id -> curve, and a sentence for each unreadable one.

    A curve is only shown: one that cannot be read must not hide the status of the trials.
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
