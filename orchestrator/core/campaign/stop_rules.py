"""When a training, or a whole campaign, is given up by the rules that its file names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

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


def stopped_by(campaign: Campaign, standings: Sequence[TrialStatus]) -> str:
    """The rule by which no further session is started, empty while there is none; the deadline is the clock's."""
    if not campaign.stop.failures:
        return ""
    failures = Counter(one.why for one in standings if one.state is State.FAILED)
    for word, count in campaign.stop.failures.items():
        if failures[word] >= count:
            return f"{failures[word]} trial(s) ended {word}, {count} stop the campaign"
    return ""
