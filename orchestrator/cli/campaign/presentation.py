"""How the commands of `campaign` show trials and ticks, and their exit codes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orchestrator.core.autopsy.verdicts import Autopsy
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
        "backend": one.site.backend if one.site else one.run.backend if one.run else None,
        "why": one.why,
        "steps_done": one.steps_done,
        "target_steps": one.trial.target_steps,
        "sessions": one.sessions,
        "wall_s": round(one.wall_s, 1),
        "verdict": one.verdict,
        "no_claim": one.no_claim,
        "objective": one.trial.variant.searched.value if one.trial.variant.searched else None,
        "due_at": one.due_at.astimezone(UTC).isoformat(timespec="seconds") if one.due_at else None,
    }


def autopsy_json(examined: Autopsy | None) -> dict[str, Any]:
    """The autopsy of a trial as a part of its JSON; empty without one."""
    return {} if examined is None else {"autopsy": examined.to_json()}


def failure_lines(statuses: Sequence[TrialStatus], autopsies: Mapping[str, Autopsy]) -> list[str]:
    """One line for each trial that ended badly: why, and the command that shows the evidence."""
    return [
        f"{one.trial.label} [{one.trial.name8}]: {one.state}: {autopsies[one.trial.lineage_id].line}"
        for one in statuses
        if one.trial.lineage_id in autopsies
    ]


def exit_code_of(report: TickReport) -> int:
    """0 success, 1 the campaign is over and incomplete, 4 backend not reachable or lease lost to another tick."""
    from orchestrator.core.errors import EXIT_DONE, EXIT_REMOTE, EXIT_RUN_FAILED
    from orchestrator.pipeline.campaign.tick_report import LOST_LEASE

    if report.backend_away or LOST_LEASE in report.troubles:
        return EXIT_REMOTE
    return EXIT_RUN_FAILED if report.over and not report.complete else EXIT_DONE


def tick_json(campaign: Campaign, report: TickReport) -> dict[str, Any]:
    """A tick as plain JSON."""
    from collections import Counter

    return {
        "campaign": campaign.campaign,
        "states": dict(Counter(one.state.value for one in report.statuses)),
        "changes": list(report.changes),
        "troubles": list(report.troubles),
        "waits": report.waits,
        "stopped": report.stopped,
        "over": report.over,
        "complete": report.complete,
        "trials": [
            {**trial_status_json(one), **autopsy_json(report.autopsies.get(one.trial.lineage_id))}
            for one in report.statuses
        ],
        "exit_code": exit_code_of(report),
    }


def tick_lines(campaign: Campaign, report: TickReport) -> list[str]:
    """A tick as lines for the user: what changed, then the number of trials in each state."""
    from collections import Counter

    lines = [*report.changes, *(f"Trouble: {trouble}" for trouble in report.troubles)]
    lines += failure_lines(
        report.statuses,
        {key: one for key, one in report.autopsies.items() if not any(one.line in line for line in report.changes)},
    )
    if report.stopped:
        lines.append(f"Stopped: {report.stopped}")
    if report.waits:
        lines.append(f"Waiting: {report.waits}")
    counts = Counter(one.state.value for one in report.statuses)
    lines.append(f"{campaign.campaign}: " + ", ".join(f"{count} {state}" for state, count in counts.items()))
    if report.orphans_in_flight:
        lines.append(f"{report.orphans_in_flight} session(s) in flight of removed trials: waiting to collect them")
    if report.over:
        lines.append("Complete" if report.complete else "Over, but not complete")
    return lines
