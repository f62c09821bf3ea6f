"""What the commands of `campaign` have in common: the file, its trials, and how a tick is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orchestrator.core.campaign.config import Campaign
    from orchestrator.core.campaign.trial_status import TrialStatus
    from orchestrator.pipeline.campaign.tick_report import TickReport


def trial_status_json(one: TrialStatus) -> dict[str, Any]:
    """One trial as plain JSON."""
    from datetime import UTC

    return {
        "trial": one.trial.label,
        "lineage": one.trial.name8,
        "state": one.state.value,
        "why": one.why,
        "steps_done": one.steps_done,
        "target_steps": one.trial.target_steps,
        "sessions": one.sessions,
        "wall_s": round(one.wall_s, 1),
        "verdict": one.verdict,
        "objective": one.trial.variant.searched.value if one.trial.variant.searched else None,
        "due_at": one.due_at.astimezone(UTC).isoformat(timespec="seconds") if one.due_at else None,
    }


def exit_code_of(ticked: TickReport) -> int:
    """0 all is well, 1 the campaign is over and not complete, 4 the far side is away or another tick has the lease."""
    from orchestrator.core.errors import EXIT_DONE, EXIT_REMOTE, EXIT_RUN_FAILED
    from orchestrator.pipeline.campaign.tick_report import LOST_LEASE

    if ticked.remote_away or LOST_LEASE in ticked.troubles:
        return EXIT_REMOTE
    return EXIT_RUN_FAILED if ticked.over and not ticked.complete else EXIT_DONE


def tick_json(campaign: Campaign, ticked: TickReport) -> dict[str, Any]:
    """A tick as plain JSON."""
    from collections import Counter

    return {
        "campaign": campaign.campaign,
        "states": dict(Counter(one.state.value for one in ticked.standings)),
        "changes": list(ticked.changes),
        "troubles": list(ticked.troubles),
        "waits": ticked.waits,
        "stopped": ticked.stopped,
        "over": ticked.over,
        "complete": ticked.complete,
        "trials": [trial_status_json(one) for one in ticked.standings],
        "exit_code": exit_code_of(ticked),
    }


def tick_lines(campaign: Campaign, ticked: TickReport) -> list[str]:
    """A tick for people: what changed, then one line of where it stands."""
    from collections import Counter

    lines = [*ticked.changes, *(f"Trouble: {trouble}" for trouble in ticked.troubles)]
    if ticked.stopped:
        lines.append(f"Stopped: {ticked.stopped}")
    if ticked.waits:
        lines.append(f"Waiting: {ticked.waits}")
    counts = Counter(one.state.value for one in ticked.standings)
    lines.append(f"{campaign.campaign}: " + ", ".join(f"{count} {state}" for state, count in counts.items()))
    if ticked.left_in_flight:
        lines.append(f"{ticked.left_in_flight} session(s) in flight of what the campaign has no more: waited for")
    if ticked.over:
        lines.append("Complete" if ticked.complete else "Over, and not complete: `campaign status` says why")
    return lines
