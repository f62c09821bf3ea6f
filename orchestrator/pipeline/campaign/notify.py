"""Whom it concerns is told what changed; that nobody listens never stops a campaign."""

from __future__ import annotations

from collections import Counter

from orchestrator.core.errors import OrchestratorError
from orchestrator.pipeline.campaign.context import CampaignContext
from orchestrator.pipeline.campaign.tick_report import TickReport


def notify(context: CampaignContext, ticked: TickReport) -> tuple[str, ...]:
    """Tell the campaign's herald, if there is one and something to tell.

    Returns:
        What to say of the telling itself; empty if nothing was to be told.
    """
    if context.herald is None or not (ticked.changes or ticked.stopped):
        return ()
    report = {
        "campaign": context.campaign.campaign,
        "at": context.clock.now().isoformat(),
        "changes": list(ticked.changes),
        "troubles": list(ticked.troubles),
        "states": dict(Counter(one.state.value for one in ticked.standings)),
        "stopped": ticked.stopped,
        "over": ticked.over,
        "complete": ticked.complete,
    }
    try:
        context.herald.tell(report)
    except OrchestratorError as fault:
        return (f"Not told: {fault}",)
    return ("The webhook was told",)
