"""Rebuilding what a computer lacks of a campaign: ledger, results and checkpoints, from whatever else is left."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.core.errors import RemoteUnavailable
from orchestrator.core.fast_replace import fast_replace
from orchestrator.core.session.slug import place_of_slug, section_prefix
from orchestrator.pipeline.campaign.context import CampaignContext
from orchestrator.pipeline.run.adoption import adopt_remote_sessions
from orchestrator.pipeline.run.missing_checkpoints import fetch_absent_results, put_back_missing


def recover(context: CampaignContext) -> int:
    """Take up every session of the campaign that exists on the backend and is not in the ledger.

    They count as in flight until the next tick has looked at them; it collects what has ended, oldest first. Results
    and checkpoints of sessions that the ledger knows are put back at once, those of finished trials included.

    Returns:
        How many sessions were taken up.

    Raises:
        RemoteUnavailable: It is away; what was done so far stays so.
    """
    taken = 0
    listed: dict[str, Sequence[str]] = {}
    for trial in context.trials:
        run_context, section = context.run_context(trial.card), trial.card.section
        if section not in listed:
            listed[section] = run_context.backend.names(section_prefix(section))
        with run_context.models.locked():
            run_context.models.recover()
            taken += adopt_remote_sessions(run_context, section, trial.lineage_id, listed[section])
            fetch_absent_results(run_context, trial.lineage_id)
            put_back_missing(
                fast_replace(run_context, waits=False), trial.card, run_context.models.view(), beyond_ledger=True
            )
    return taken


def lacks_ledger(context: CampaignContext) -> bool:
    """Whether the ledger knows no session of the campaign although the backend lists some.

    Raises:
        RemoteUnavailable: The backend cannot be asked.
    """
    if any(context.ledger.sessions(trial.lineage_id) for trial in context.trials):
        return False
    listed: dict[str, Sequence[str]] = {}
    for trial in context.trials:
        section = trial.card.section
        if section not in listed:
            listed[section] = context.run_context(trial.card).backend.names(section_prefix(section))
        if any(place_of_slug(name, trial.lineage_id) for name in listed[section]):
            return True
    return False


def complete_results(context: CampaignContext) -> tuple[str, ...]:
    """Fetch the results folders again that the ledger knows and that are not here; says why any cannot be fetched now.

    The tables read them, and a missing model is looked for in them first. One trial's trouble holds up no other.
    """
    troubles: list[str] = []
    for trial in context.trials:
        run_context = context.run_context(trial.card)
        try:
            fetch_absent_results(run_context, trial.lineage_id)
        except RemoteUnavailable as fault:
            troubles.append(f"{trial.label}: its results could not be fetched again: {fault}")
    return tuple(troubles)
