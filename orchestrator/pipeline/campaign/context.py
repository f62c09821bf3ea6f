"""Everything that a campaign works with, handed in by the wiring."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from orchestrator.core.campaign.config import Campaign
from orchestrator.core.campaign.expansion import CardOf, Trial
from orchestrator.core.run.request import RunRequest
from orchestrator.core.section.card import SectionCard
from orchestrator.pipeline.context import RunContext
from orchestrator.pipeline.search.replay import SearchReplay
from orchestrator.ports import Clock, Lease, Ledger, Notifier, Refusals


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignContext:
    """What a tick works with.

    Attributes:
        parts_of: Everything that a trial's run needs, with the trial's own models directory.
        card_of: Reads the sections' cards.
        code_digest: Of the code as it is now.
        refusals: Why the last tick refused a trial, for commands that only ask; None where nobody asks.
        searching: Proposes trials while the campaign runs; None where the file names them all.
        herald: Whom to tell; None where the campaign names nobody.
    """

    campaign: Campaign
    trials: tuple[Trial, ...]
    ledger: Ledger
    clock: Clock
    lease: Lease
    run_context: Callable[[SectionCard], RunContext]
    card_of: CardOf
    code_digest: str
    searching: SearchReplay | None = None
    refusals: Refusals | None = None
    herald: Notifier | None = None


def request_of_trial(trial: Trial, wall_s: float | None = None, campaign: str = "") -> RunRequest:
    """The request that carries a trial on.

    Args:
        wall_s: Wall seconds of its next session, None for the profile's.
        campaign: Name of the campaign that asks.
    """
    return RunRequest(card=trial.card, profile=trial.variant.profile, deadline_s=wall_s, campaign=campaign)


def seconds_until(clock: Clock, moment: datetime | None) -> float | None:
    """Seconds until a moment, None without one."""
    return None if moment is None else (moment - clock.now()).total_seconds()
