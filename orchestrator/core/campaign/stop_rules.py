"""The stop rules of a campaign's file: when a training, or the whole campaign, starts no further session."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from orchestrator.core.campaign.config import Campaign, Plateau
from orchestrator.core.campaign.trial_status import State, TrialStatus
from orchestrator.core.ledger.records import SessionRecord, Stage


def on_plateau(sessions: Sequence[SessionRecord], rule: Plateau) -> bool:
    """Whether the best score of a training gained too little over its last sessions.

    Args:
        sessions: Of its lineage, oldest first.
    """
    scores = [one.score for one in sessions if one.stage is Stage.CLOSED and one.score is not None]
    if len(scores) <= rule.sessions:
        return False
    return max(scores[-rule.sessions :]) - max(scores[: -rule.sessions]) < max(rule.min_gain, 1e-12)


def stopped_by(campaign: Campaign, statuses: Sequence[TrialStatus], now: datetime) -> str:
    """The rule by which no further session is started; empty if none applies."""
    failures = Counter(one.why for one in statuses if one.state is State.FAILED)
    for word, count in campaign.stop.failures.items():
        if failures[word] >= count:
            return f"{failures[word]} trial(s) ended {word}, {count} stop the campaign"
    deadline = campaign.stop.deadline
    return f"the deadline {deadline:%Y-%m-%d %H:%M %Z} has passed" if deadline and deadline <= now else ""
