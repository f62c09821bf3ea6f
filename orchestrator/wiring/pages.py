"""Gathers the page of a run, a section, a campaign or the whole project. No file is changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from orchestrator import __version__
from orchestrator.core.campaign.config import Campaign
from orchestrator.core.campaign.trial_status import TrialStatus
from orchestrator.core.ledger.records import SessionRecord
from orchestrator.core.page.conversion.bars import bars_of
from orchestrator.core.page.conversion.chain import Chain
from orchestrator.core.page.conversion.limits import left_out_of, limits_of, tables_of
from orchestrator.core.page.conversion.masked import masked_page
from orchestrator.core.page.conversion.rows import row_of
from orchestrator.core.page.conversion.settings import without_shared
from orchestrator.core.page.conversion.weeks import weeks_of
from orchestrator.core.page.page import Page, Subject
from orchestrator.core.reporting.durations import duration_s
from orchestrator.core.session.time_budget import Quota
from orchestrator.pipeline.campaign.context import read_trial_statuses
from orchestrator.stores.campaign.campaign_yaml import load_campaign
from orchestrator.stores.ledger.lease import SqliteRefusals
from orchestrator.stores.ledger.reading import ledger_for_reading
from orchestrator.stores.project import Project
from orchestrator.stores.reporting.pictures import pictures_in
from orchestrator.stores.secrets.rules import also_hide, masking
from orchestrator.wiring import LOCAL, present_digest
from orchestrator.wiring.campaigns import trial_autopsies, webhooks_in_use
from orchestrator.wiring.page.answers import Answers
from orchestrator.wiring.page.chains import by_lineage, chains_of, trial_chains, with_live
from orchestrator.wiring.page.endings import autopsies_of, with_endings
from orchestrator.wiring.page.parts import headline, intervals, picture_folders, quotas, title_of
from orchestrator.wiring.page.reading import PageReader
from orchestrator.wiring.page.targets import Target, target_of
from orchestrator.wiring.searches import campaign_trials


def page_of(
    project: Project,
    target: str | None,
    *,
    command: str,
    now: datetime,
    ask: bool = False,
    answers: Answers | None = None,
) -> Page:
    """The page of what a word names; its texts hold no secret.

    Args:
        target: A section, a campaign (name or file), a run, a session, a training, or a trial's label; None for the
            whole project.
        command: The command that makes the page again.
        now: Aware time.
        ask: Whether to ask other backends for their quota, and to look once at each session in flight there. Sessions
            on this computer are always looked at.
        answers: Receives what they answer; a page that does not ask shows what is in it.

    Raises:
        BadInput: The word names nothing, or a campaign's file is wrong; or the ledger is damaged.
        StorageFault: The ledger cannot be read.
    """
    reader = PageReader(project)
    with ledger_for_reading(project.own / "ledger.sqlite") as ledger:
        runs, sessions = ledger.runs(), ledger.sessions()
        refusals = SqliteRefusals(ledger).reasons()
        found = target_of(project, target, runs, sessions)
        campaign = load_campaign(Path(found.name)) if found.subject is Subject.CAMPAIGN else None
        statuses: tuple[TrialStatus, ...] = ()
        if campaign is not None:
            also_hide(webhooks_in_use(campaign))
            trials = campaign_trials(project, campaign)
            statuses = read_trial_statuses(ledger, campaign, trials, present_digest(project))
    if campaign is not None:
        chains = trial_chains(reader, statuses, campaign, by_lineage(sessions), refusals)
        autopsies = trial_autopsies(project, campaign, found.name, statuses)
    else:
        chains = chains_of(project, reader, runs, [one for one in sessions if _belongs(one, found)])
        autopsies = autopsies_of(project, reader, chains)
    chains = with_live(project, reader, with_endings(project, reader, chains, autopsies), ask=ask)
    answers = answers or Answers()
    if ask:
        answers.keep(chains, *quotas(project, chains))
    else:
        chains = answers.added_to(chains)
    for sentence in answers.notes:
        reader.note(sentence)
    return _page(project, reader, found, campaign, chains, command=command, now=now, found_quotas=answers.quotas)


def found_target(project: Project, word: str | None) -> Target:
    """What a word names.

    Raises:
        BadInput: It names nothing, or several trainings.
    """
    with ledger_for_reading(project.own / "ledger.sqlite") as ledger:
        return target_of(project, word, ledger.runs(), ledger.sessions())


def folder_of(project: Project, target: Target) -> Path:
    """Where the page of a target lies, beside the other files of its report."""
    if target.subject is Subject.CAMPAIGN:
        return project.campaign_reports / load_campaign(Path(target.name)).campaign
    return project.section_reports / (target.name or "project")


def _belongs(record: SessionRecord, target: Target) -> bool:
    if target.subject is Subject.SECTION:
        return str(record.ticket["spec"].get("section")) == target.name
    return target.subject is Subject.PROJECT or record.lineage_id == target.lineage_id


def _timed(chains: Sequence[Chain]) -> list[SessionRecord]:
    """The sessions, each with its duration: of one that was killed, until its latest report."""
    return [
        replace(one, wall_s=duration_s(one, chain.curve(one))) if one.wall_s is None else one
        for chain in chains
        for one in chain.everything
    ]


def _page(
    project: Project,
    reader: PageReader,
    target: Target,
    campaign: Campaign | None,
    chains: Sequence[Chain],
    *,
    command: str,
    now: datetime,
    found_quotas: Mapping[str, Quota | None],
) -> Page:
    mask = masking()
    limits = limits_of(len(chains))
    rows = tuple(row_of(one, limits) for one in chains)
    name = campaign.campaign if campaign is not None else chains[0].section if chains else ""
    shared: dict[str, str] = {}
    if limits.shares_settings:
        rows, shared = without_shared(rows)
    records = [record for chain in chains for record in chain.everything]
    pictures, unread, large = pictures_in(
        picture_folders(project, reader, campaign, chains, command), mask, limits.picture_bytes
    )
    answer = headline(project, reader, campaign, chains)  # it may note what it cannot read
    page = Page(
        subject=target.subject,
        title=title_of(project, target, campaign, chains),
        made_at=now.astimezone(UTC).isoformat(timespec="seconds"),
        command=command,
        headline=answer,
        trainings=rows,
        sessions=tuple(sorted((bar for one in chains for bar in bars_of(one)), key=lambda bar: bar.began_at)),
        weeks=weeks_of(_timed(chains), found_quotas, now, LOCAL),
        intervals=intervals(reader, target, chains, records, command),
        pictures=pictures,
        notes=(*reader.notes, *unread),
        left_out=(*left_out_of(chains, limits, tables_of(target.subject, name)), *reader.left_out, *large),
        shared_settings=shared,
        versions={"orchestrator": __version__},
    )
    return masked_page(page, mask)
