"""Parts of a page that more is read for than its trainings: title, headline, intervals and pictures."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from orchestrator.core.campaign.config import Campaign
from orchestrator.core.errors import OrchestratorError
from orchestrator.core.ledger.records import SessionRecord
from orchestrator.core.page.conversion.chain import Chain
from orchestrator.core.page.conversion.headline import Statement, campaign_headline, headline_of, results_of
from orchestrator.core.page.conversion.intervals import intervals_of
from orchestrator.core.page.conversion.rows import source_of
from orchestrator.core.page.conversion.statistics import trainings_of
from orchestrator.core.page.page import Headline, Interval, Subject
from orchestrator.core.page.source import Source
from orchestrator.core.reporting.seed_statistics import Estimate, Resamples, mean
from orchestrator.core.reporting.training import Training
from orchestrator.core.session.time_budget import Quota
from orchestrator.kernel.reading.json_text import Unreadable
from orchestrator.pipeline.reporting.trainings import trainings_in
from orchestrator.stores.project import Project
from orchestrator.stores.reporting.section_report import statement_in
from orchestrator.stores.section.card_yaml import load_card
from orchestrator.wiring import LOCAL, make_backend
from orchestrator.wiring.page.reading import PageReader
from orchestrator.wiring.page.targets import Target


def title_of(project: Project, target: Target, campaign: Campaign | None, chains: Sequence[Chain]) -> str:
    """The title of a page."""
    if campaign is not None:
        return campaign.title or campaign.campaign
    if target.subject is Subject.RUN and chains:
        one = chains[0]
        return f"{one.section}: {one.label}" + ("" if one.seed is None else f" seed {one.seed}")
    return target.name or project.state.name


def headline(project: Project, reader: PageReader, campaign: Campaign | None, chains: Sequence[Chain]) -> Headline:
    """The answer of a page."""
    if campaign is None:
        return headline_of(chains)
    statements: list[Statement] = []
    for folder, own in statement_folders(project, campaign, chains).items():
        try:
            found = statement_in(folder)
            if found is not None and found.sessions == results_of(own):
                statements.append(found)
            elif found is not None:
                reader.note(
                    "The statement of the campaign's report is of other results than those on this page, and is left "
                    f"out: python -m orchestrator campaign report {campaign.campaign}"
                )
        except (OSError, Unreadable) as fault:
            reader.note(f"The statement of the campaign's report cannot be read: {fault}")
    return campaign_headline(chains, statements)


def statement_folders(project: Project, campaign: Campaign, chains: Sequence[Chain]) -> dict[Path, list[Chain]]:
    """The folders of the reports of a campaign's sections, each with the trainings of its section."""
    folder = project.campaign_reports / campaign.campaign
    sections = dict.fromkeys(one.section for one in chains)
    if len(sections) < 2:
        return {folder: list(chains)}
    return {folder / name: [one for one in chains if one.section == name] for name in sections}


def intervals(
    reader: PageReader, target: Target, chains: Sequence[Chain], sessions: Sequence[SessionRecord], command: str
) -> tuple[Interval, ...]:
    """Every number over the seeds of its variant; none for a single training."""
    if target.subject is Subject.RUN:
        return ()
    if target.subject is Subject.CAMPAIGN:
        trainings = list(_of_campaign(chains))
    else:
        trainings = _of_sections(reader, chains, sessions)
    newest = {one.slug: one.planned_at for one in sessions}
    return intervals_of(trainings, _mean_of, command, newest)


_RESAMPLES = Resamples(lambda seed: random.Random(seed).random)


@lru_cache(maxsize=4096)
def _mean_of(values: tuple[float, ...]) -> Estimate:
    """A mean with its interval; kept, because a served page asks again and again."""
    return _RESAMPLES.estimate(mean, values)


def quotas(project: Project, chains: Sequence[Chain]) -> tuple[dict[str, Quota | None], tuple[str, ...]]:
    """Backend -> its weekly quota, of the backends of the sessions but this computer; and what cannot be read.

    It costs a request for each backend.
    """
    found: dict[str, Quota | None] = {}
    notes: list[str] = []
    for chain in chains:
        for name in {one.backend for one in chain.everything} - {LOCAL} - set(found):
            try:
                found[name] = make_backend(name, project, load_card(project.cards, chain.section)).quota()
            except OrchestratorError as fault:
                found[name] = None
                notes.append(f"The quota of {name} cannot be read: {fault}")
    return found, tuple(notes)


def picture_folders(
    project: Project, reader: PageReader, campaign: Campaign | None, chains: Sequence[Chain], command: str
) -> list[tuple[Path, Source]]:
    """Folders with pictures: the campaign's report, then the outputs of the newest finished session."""
    found: list[tuple[Path, Source]] = []
    if campaign is not None:
        folder = project.campaign_reports / campaign.campaign
        found.append((folder, Source(session=campaign.campaign, command=command)))
    finished = [one for one in chains if one.evaluated is not None]
    if finished:
        newest = max(finished, key=lambda one: one.records[-1].planned_at)
        outputs, source = reader.folder(newest.records[-1]), source_of(newest)
        if outputs is not None and source is not None:
            found.append((outputs, source))
    return found


def _of_campaign(chains: Sequence[Chain]) -> Iterator[Training]:
    """The trials that are done; of several sections, the variant names its section."""
    sections = {one.section for one in chains}
    for section in sorted(sections):
        for one in trainings_of([chain for chain in chains if chain.section == section]):
            known = len(sections) < 2 or one.variant == section or one.variant.startswith(f"{section},")
            yield one if known else replace(one, variant=f"{section} {one.variant}")


def _of_sections(reader: PageReader, chains: Sequence[Chain], sessions: Sequence[SessionRecord]) -> list[Training]:
    """The trainings of each section as its report has them; of several sections, the variant names its section."""
    sections = list(dict.fromkeys(one.section for one in chains))
    found: list[Training] = []
    for section in sections:
        own = trainings_in(sessions, reader.stretch, section)
        found += own if len(sections) < 2 else [replace(one, variant=f"{section} {one.variant}") for one in own]
    return found
