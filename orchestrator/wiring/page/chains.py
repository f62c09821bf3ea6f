"""Reads the trainings of a page: from the ledger alone, or as the trials of a campaign."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cache

from orchestrator.core.campaign.config import Campaign
from orchestrator.core.campaign.trial_status import FINISHED, TrialStatus
from orchestrator.core.errors import OrchestratorError
from orchestrator.core.ledger.records import RunRecord, SessionRecord, Stage
from orchestrator.core.page.conversion.chain import Chain
from orchestrator.core.page.conversion.settings import flat_settings
from orchestrator.core.reporting.finished_trial import backend_of, run_command
from orchestrator.core.reporting.training import variant_labels
from orchestrator.core.section.card import SectionCard
from orchestrator.core.session.live_progress import LiveProgress
from orchestrator.core.session.spec import SessionSpec
from orchestrator.pipeline.campaign.finished_trials import since_beginning
from orchestrator.stores.project import Project
from orchestrator.stores.section.card_yaml import load_card
from orchestrator.wiring.live import live_progress
from orchestrator.wiring.page.commands import Commands
from orchestrator.wiring.page.reading import PageReader


def chains_of(
    project: Project, reader: PageReader, runs: Sequence[RunRecord], sessions: Sequence[SessionRecord]
) -> list[Chain]:
    """The trainings of some sessions, one for each lineage, ordered by section, label, profile and seed."""
    of_lineage = by_lineage(sessions)
    latest = {run.lineage_id: run for run in runs}
    labels = _labels(of_lineage)
    commands = Commands(project)
    found = [
        _chain(reader, own, latest.get(lineage_id), labels[lineage_id], commands)
        for lineage_id, own in of_lineage.items()
    ]
    return sorted(found, key=lambda one: (one.section, one.label, one.profile, -1 if one.seed is None else one.seed))


def by_lineage(sessions: Iterable[SessionRecord]) -> dict[str, list[SessionRecord]]:
    """Sessions by their training, without those of proofs and those that never existed."""
    found: dict[str, list[SessionRecord]] = {}
    for one in sessions:
        if not one.ticket["spec"].get("proof") and not one.never_submitted:
            found.setdefault(one.lineage_id, []).append(one)
    return found


def trial_chains(
    reader: PageReader,
    statuses: Sequence[TrialStatus],
    campaign: Campaign,
    sessions: Mapping[str, Sequence[SessionRecord]],
    refusals: Mapping[str, str],
) -> list[Chain]:
    """Every trial of a campaign, in its order, also those that have not begun.

    Args:
        sessions: Lineage id -> its sessions.
        refusals: Lineage id -> why the last tick refused the trial.
    """
    return [
        _trial(reader, one, backend_of(campaign, one), sessions.get(one.trial.lineage_id, ()), refusals)
        for one in statuses
    ]


def with_live(project: Project, reader: PageReader, chains: Sequence[Chain], *, ask: bool) -> list[Chain]:
    """The trainings, each with the progress of its session in flight.

    Args:
        ask: Whether to look once at sessions elsewhere; those on this computer are always looked at.
    """
    card_of = cache(lambda section: load_card(project.cards, section))
    found: list[Chain] = []
    for chain in chains:
        open_ones = [one for one in chain.everything if one.stage is not Stage.CLOSED]
        live = _live(project, reader, card_of, chain, open_ones, ask=ask) if open_ones else []
        found.append(replace(chain, live=live[-1]) if live else chain)
    return found


def _chain(
    reader: PageReader, everything: Sequence[SessionRecord], run: RunRecord | None, label: str, commands: Commands
) -> Chain:
    newest = everything[-1]
    spec = newest.ticket["spec"]
    target = newest.target_steps if run is None else run.target_steps
    plain = Chain(
        lineage_id=newest.lineage_id,
        label=label,
        section=str(spec["section"]),
        profile=str(spec.get("profile") or ""),
        seed=spec["lineage"].get("seed"),
        target_steps=target,
        settings=flat_settings(spec),
        command=commands.of(newest, target),
        run=run,
    )
    return _read(reader, plain, everything)


def _trial(
    reader: PageReader,
    status: TrialStatus,
    backend: str,
    everything: Sequence[SessionRecord],
    refusals: Mapping[str, str],
) -> Chain:
    trial, variant = status.trial, status.trial.variant
    spec = everything[-1].ticket["spec"] if everything else _spec(trial.card, variant.profile, backend)
    plain = Chain(
        lineage_id=trial.lineage_id,
        label=variant.label,
        section=variant.card.section,
        profile=variant.profile,
        seed=trial.seed,
        target_steps=trial.target_steps,
        settings=flat_settings(spec),
        command=f"python -m orchestrator {run_command(trial, backend)}",
        run=status.run,
        status=status,
        refusal=refusals.get(trial.lineage_id, ""),
    )
    return _read(reader, plain, everything)


def _spec(card: SectionCard, profile: str, backend: str) -> Mapping[str, object]:
    """What the first session of a trial would compute."""
    return SessionSpec(card=card, profile=profile, sizes=card.profiles[profile], backend=backend).to_json()


def _read(reader: PageReader, chain: Chain, everything: Sequence[SessionRecord]) -> Chain:
    if not everything:
        return chain
    last = _last(chain, everything)
    records = since_beginning(everything, last) or (() if last.steps_begun is None else (last,))
    reports = {one.key: found for one in records if (found := reader.reports(one)) is not None}
    return replace(
        chain,
        everything=tuple(everything),
        records=records,
        reports=reports,
        grades=reader.grades(records),
        manifest=reader.manifest(records[-1]) if records else None,
    )


def _last(chain: Chain, everything: Sequence[SessionRecord]) -> SessionRecord:
    """The session at which the curve of a training ends: that with the result of a finished trial, else the newest.

    Further sessions of another profile may follow it.
    """
    status = chain.status
    if status is not None and status.run is not None and status.state in FINISHED:
        for one in reversed(everything):
            own = one.evaluated and one.ticket["spec"].get("profile") == chain.profile
            if own and one.steps_done == status.run.steps_done:
                return one
    return everything[-1]


def _labels(of_lineage: Mapping[str, Sequence[SessionRecord]]) -> dict[str, str]:
    sections: dict[str, list[str]] = {}
    for lineage_id, own in of_lineage.items():
        sections.setdefault(str(own[0].ticket["spec"]["section"]), []).append(lineage_id)
    found: dict[str, str] = {}
    for section, names in sections.items():
        lineages = [of_lineage[name][0].ticket["spec"]["lineage"] for name in names]
        found.update(zip(names, variant_labels(section, lineages), strict=True))
    return found


def _live(
    project: Project,
    reader: PageReader,
    card_of: Callable[[str], SectionCard],
    chain: Chain,
    sessions: Sequence[SessionRecord],
    *,
    ask: bool,
) -> list[LiveProgress]:
    try:
        return live_progress(project, card_of(chain.section), sessions, ask=ask)
    except OrchestratorError as fault:
        reader.note(f"How far {chain.label} is cannot be read: {fault}")
        return []
