"""What the sessions of a campaign may still compute: the account's quota and the campaign's own budget of the week."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from orchestrator.core.campaign.orphans import sessions_of_campaign
from orchestrator.core.ledger.records import SessionRecord
from orchestrator.core.scheduling.forecast import Allowance
from orchestrator.core.scheduling.quota import allowance, promised_s, spent_s, week_of
from orchestrator.pipeline.campaign.context import CampaignContext
from orchestrator.pipeline.context import RunContext


def campaign_allowance(
    context: CampaignContext, run_context: RunContext, named: Collection[str], holding: Sequence[SessionRecord]
) -> Allowance | None:
    """What is left for new sessions, None where nothing limits it.

    Args:
        named: Lineage ids of the campaign's trials, and of those that left it and still run.
        holding: Sessions that hold a slot and hours.

    Raises:
        RemoteUnavailable: The quota cannot be asked.
    """
    budget_h = context.campaign.weekly_gpu_hours
    quota = run_context.backend.quota()
    spent = 0.0
    if budget_h is not None:
        since, _ = week_of(context.clock.now(), quota)
        spent = spent_s(
            sessions_of_campaign(context.ledger.sessions(), context.ledger.runs(), context.campaign.campaign, named),
            since,
        )
    return allowance(
        context.clock.now(),
        quota=quota,
        budget_s=None if budget_h is None else budget_h * 3600,
        spent_s=spent,
        promised_s=promised_s(holding),
    )
