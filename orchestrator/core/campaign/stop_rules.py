"""When a training rests after failures, longer each time, and when it or the whole campaign starts no session."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from orchestrator.core.campaign.config import Plateau, StopRules
from orchestrator.core.ledger.records import RunRecord, SessionRecord, Stage
from orchestrator.core.session.end_reason import EndReason
from orchestrator.kernel.wire import digest_of

FIRST_S = 60.0
LONGEST_S = 3600.0
"""During hours of platform trouble a trial is tried once an hour; after a short failure it waits about a minute."""


MOST_RESTS = 10
"""After more runs in a row that found a full disk the trial fails: one session an hour would use up the quota."""


def rests_in_row(runs: Sequence[RunRecord]) -> int:
    """Number of the latest runs in a row that found a full disk and made no progress."""
    fruitless = itertools.takewhile(
        lambda run: run.end_reason == EndReason.DISK_FULL and run.steps_done <= run.steps_start, reversed(runs)
    )
    return sum(1 for _ in fruitless)


def backoff_s(failures: int, lineage_id: str) -> float:
    """Seconds to rest after `failures` failures in a row.

    Doubling with a cap, and half of it jitter (M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog,
    2015, there "equal jitter"): trials that failed together do not return together. The jitter is drawn from the
    lineage id, so that every computer and every tick computes the same time.

    Args:
        failures: At least 1.
    """
    whole_s = min(LONGEST_S, FIRST_S * 2.0 ** min(failures - 1, 30))
    drawn = int(digest_of([lineage_id, failures])[:8], 16) / 0x1_0000_0000
    return whole_s * (0.5 + 0.5 * drawn)


def due_at(runs: Sequence[RunRecord], lineage_id: str) -> datetime | None:
    """When a lineage may be tried again, None for at once.

    Args:
        runs: All its runs, oldest first. Failures in a row are counted across runs, because `retries` allows new runs.
    """
    failures, failed_at = 0, None
    for run in reversed(runs):
        failures += run.failed_in_row
        failed_at = failed_at or run.failed_at
        if run.sessions > run.failed_in_row:
            break
    if not failures or failed_at is None:
        return None
    return datetime.fromisoformat(failed_at) + timedelta(seconds=backoff_s(failures, lineage_id))


def is_resting(due: datetime | None, now: datetime) -> bool:
    """Whether a trial must still rest. A due time beyond the longest rest is ignored: the clock was set back."""
    return due is not None and timedelta(0) < due - now <= timedelta(seconds=LONGEST_S)


def resting_message(dues: Sequence[datetime]) -> str:
    """Why resting trials are not started, empty if none rests."""
    if not dues:
        return ""
    return f"{len(dues)} trial(s) rest after a failure, the first until {min(dues).astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def on_plateau(sessions: Sequence[SessionRecord], rule: Plateau) -> bool:
    """Whether the best score of a training gained too little over its last sessions.

    Args:
        sessions: Of its lineage, oldest first.
    """
    scores = [one.score for one in sessions if one.stage is Stage.CLOSED and one.score is not None]
    if len(scores) <= rule.sessions:
        return False
    return max(scores[-rule.sessions :]) - max(scores[: -rule.sessions]) < max(rule.min_gain, 1e-12)


def stopped_by(rules: StopRules, failed: Iterable[str], now: datetime) -> str:
    """The rule by which no further session is started; empty if none applies.

    Args:
        failed: The failure of each failed trial.
    """
    failures = Counter(failed)
    for word, count in rules.failures.items():
        if failures[word] >= count:
            return f"{failures[word]} trial(s) ended {word}, {count} stop the campaign"
    deadline = rules.deadline
    return f"the deadline {deadline:%Y-%m-%d %H:%M %Z} has passed" if deadline and deadline <= now else ""
