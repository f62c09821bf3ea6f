"""Rebuild what this computer lacks of a campaign: ledger, results and checkpoints."""

from __future__ import annotations

from dataclasses import replace

from orchestrator.core.campaign.expansion import Trial
from orchestrator.core.errors import RemoteUnavailable
from orchestrator.core.session.slug import place_of_slug
from orchestrator.pipeline.campaign.context import CampaignContext
from orchestrator.pipeline.context import Listing, RunContext
from orchestrator.pipeline.run.adoption import adopt_remote_sessions
from orchestrator.pipeline.run.missing_checkpoints import fetch_absent_results, put_back_missing


def recover(context: CampaignContext) -> int:
    """Put every session of the campaign that exists on the backend and is not in the ledger into the ledger.

    They count as in flight until the next tick, which collects those that have ended, oldest first. Results and
    checkpoints of sessions that the ledger knows are restored at once, also those of finished trials.

    Returns:
        Number of sessions that were recovered.

    Raises:
        RemoteUnavailable: A backend cannot be reached; what was recovered so far stays.
    """
    recovered = 0
    listing = Listing()
    for trial in context.trials:
        each, section = _on_each(context, trial), trial.card.section
        for run_context in each:  # before anything is locked: the backend may be away
            listing.all_names(run_context.backend, section)
        with each[0].models.locked():
            each[0].models.recover()
            for run_context in each:
                recovered += adopt_remote_sessions(run_context, section, trial.lineage_id, listing)
                fetch_absent_results(run_context, trial.lineage_id)
            for run_context in each:
                unattended, view = replace(run_context, waits=False), run_context.models.view()
                put_back_missing(unattended, trial.card, view, beyond_ledger=True)
    return recovered


def _on_each(context: CampaignContext, trial: Trial) -> list[RunContext]:
    """The run of a trial on each backend of the campaign.

    Raises:
        RemoteUnavailable: One of them cannot be reached: it may be the one that has the newest session.
    """
    return [context.run_context(trial.card, backend) for backend in context.campaign.limits]


def lacks_ledger(context: CampaignContext) -> bool:
    """Whether the ledger has no session of the campaign although the backend lists some.

    Raises:
        RemoteUnavailable: A backend cannot be reached.
    """
    if any(context.ledger.sessions(trial.lineage_id) for trial in context.trials):
        return False
    listing = Listing()
    for trial in context.trials:
        section, lineage_id = trial.card.section, trial.lineage_id
        for backend in (one.backend for one in _on_each(context, trial)):
            if any(place_of_slug(name, lineage_id) for name in listing.names(backend, section, lineage_id)):
                return True
            if any(one.ticket.lineage_id == lineage_id for one in listing.packed(backend, section, ())):
                return True
    return False


def complete_results(context: CampaignContext) -> tuple[str, ...]:
    """Fetch the results folders again that the ledger knows and this computer lacks.

    The tables read them, and a missing checkpoint is looked for in them first.

    Returns:
        One sentence for each trial whose results cannot be fetched now; the others are not held up.
    """
    troubles: list[str] = []
    for trial in context.trials:
        for backend in context.campaign.limits:
            try:
                fetch_absent_results(context.run_context(trial.card, backend), trial.lineage_id)
            except RemoteUnavailable as fault:
                troubles.append(f"{trial.label}: its results on {backend} could not be fetched again: {fault}")
    return tuple(troubles)
