"""`campaign status`: what the ledger says, and one look at each session in flight; `campaign schema`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestrator.cli.campaign.loading import File, open_campaign
from orchestrator.cli.campaign.presentation import autopsy_json, failure_lines, trial_status_json
from orchestrator.cli.error_boundary import print_json, run_command
from orchestrator.cli.options import AsJson, BackendName

if TYPE_CHECKING:
    from orchestrator.core.autopsy.verdicts import Autopsy
    from orchestrator.core.campaign.trial_status import TrialStatus
    from orchestrator.core.reporting.forecast_report import CampaignForecast
    from orchestrator.core.session.live_progress import LiveProgress
    from orchestrator.kernel.reporting.trial_report import StitchedCurve

Markdown = Annotated[bool, typer.Option("--markdown", help="A table for a job summary.")]


def status(file: File, backend: BackendName = None, markdown: Markdown = False, as_json: AsJson = False) -> int:
    """Show the state of every trial, and how far those in flight are: one look at each session. Creates nothing."""

    def act() -> int:
        from orchestrator.cli.campaign.plan import forecast_of
        from orchestrator.cli.output.console import Console
        from orchestrator.core.campaign.trial_status import State
        from orchestrator.core.errors import BadInput
        from orchestrator.wiring.campaigns import refusals_of, removed_in_flight, trial_autopsies
        from orchestrator.wiring.live import trials_in_flight

        if markdown and as_json:
            raise BadInput("--markdown and --json exclude each other", remedy="Give one of them.")
        project, campaign, trials = open_campaign(file, backend)
        forecast = forecast_of(project, campaign, trials, None)
        removed = removed_in_flight(project, campaign, trials)
        live = [one.trial for one in forecast.standings if one.state is State.LIVE]
        in_flight = trials_in_flight(project, live, begins=Console(sys.stderr).begins)
        autopsies = trial_autopsies(project, campaign, file, forecast.standings)
        rows = _rows(forecast, refusals_of(project), in_flight, autopsies)
        if as_json:
            print_json({**forecast.to_json(), "taken_out": removed, "all_trials": rows})
            return 0
        console = Console(sys.stdout)
        if markdown:
            from orchestrator.cli.output.live_table import live_lines
            from orchestrator.wiring.campaigns import curves_so_far
            from orchestrator.wiring.verdict_sentences import verdict_sentences

            curves, troubles = curves_so_far(project, trials)
            console.say(
                f"### {campaign.title or campaign.campaign}", "", *markdown_lines(rows, forecast.standings, curves), ""
            )
            console.say(*(f"* {one}" for one in live_lines(in_flight)))
            console.say(*(f"* {line}" for line in verdict_sentences(project, forecast.standings)))
            console.say(*troubles, *(f"* {line}" for line in failure_lines(forecast.standings, autopsies)))
        else:
            console.say(*_all_lines(rows, forecast, in_flight, autopsies))
        console.say(*forecast.rest_lines(), *removed)
        return 0

    return run_command(act, as_json=as_json)


def schema() -> int:
    """Show the JSON Schema of a campaign file, for editors."""

    def act() -> int:
        from orchestrator.stores.campaign.campaign_yaml import campaign_schema

        print(json.dumps(campaign_schema(), indent=2, sort_keys=True))
        return 0

    return run_command(act)


_SHOWN = frozenset({"done", "live", "waiting"})
"""States whose curves are drawn together; stale, pruned and failed trials are left out."""


def markdown_lines(
    rows: Sequence[dict[str, Any]], statuses: Sequence[TrialStatus], curves: Mapping[str, StitchedCurve]
) -> list[str]:
    """A row for each trial with its learning curve, then a chart for each variant."""
    from orchestrator.core.reporting.sparkline import mermaid, sparkline

    searches = any(one.trial.variant.searched for one in statuses)
    head, rule = (" objective |", "---|") if searches else ("", "")
    lines = [
        f"| trial | state | steps | sessions | hours | learning | verdict |{head}",
        f"|---|---|---|---|---|---|---|{rule}",
    ]
    of_variant: dict[str, list[StitchedCurve]] = {}
    for row, one in zip(rows, statuses, strict=True):
        curve = curves.get(one.trial.lineage_id)
        why, end = _why(row), "no claim" if row["no_claim"] else row["verdict"] or "-"
        steps = f"{row['steps_now']} / {row['target_steps'] or '-'}"
        value = "" if not searches else " - |" if row["objective"] is None else f" {row['objective']:.6g} |"
        learning = sparkline(curve.points) if curve else ""
        lines.append(
            f"| {row['trial']} `{row['lineage']}` | {row['state']}{why} | {steps} "
            f"| {row['sessions']} | {one.wall_s / 3600:.2f} | {learning or '-'} | {end} |{value}"
        )
        if curve and one.state in _SHOWN:
            of_variant.setdefault(one.trial.variant.label, []).append(curve)
    return [*lines, "", *mermaid(of_variant)]


def _rows(
    forecast: CampaignForecast,
    refusals: Mapping[str, str],
    in_flight: Mapping[str, LiveProgress],
    autopsies: Mapping[str, Autopsy],
) -> list[dict[str, Any]]:
    """Every trial as plain JSON, with its rest, its refusal and its session in flight."""
    from orchestrator.core.campaign.stop_rules import is_resting
    from orchestrator.core.campaign.trial_status import State

    rows = [trial_status_json(one) for one in forecast.standings]
    for row, one in zip(rows, forecast.standings, strict=True):
        live = in_flight.get(one.trial.lineage_id)
        row["live"] = live.to_json() if live else None
        row["steps_now"] = max(one.steps_done, live.steps) if live else one.steps_done
        row |= autopsy_json(autopsies.get(one.trial.lineage_id))
        row["rests"] = is_resting(one.due_at, forecast.now)
        refused = refusals.get(one.trial.lineage_id) if one.state is State.WAITING else None
        row["why"] = f"refused by the last tick: {refused}" if refused else row["why"]
    return rows


def _all_lines(
    rows: Sequence[dict[str, Any]],
    forecast: CampaignForecast,
    in_flight: Mapping[str, LiveProgress],
    autopsies: Mapping[str, Autopsy],
) -> Iterator[str]:
    """Every trial in lines of text; of several backends, that of the trial is named."""
    several = forecast.campaign.backend is None
    for row, one in zip(rows, forecast.standings, strict=True):
        lineage_id = one.trial.lineage_id
        yield from _lines(row, in_flight.get(lineage_id), autopsies.get(lineage_id), several=several)


def _lines(row: dict[str, Any], live: LiveProgress | None, examined: Autopsy | None, *, several: bool) -> Iterator[str]:
    """A trial in one line, and one more if it ended badly.

    Args:
        several: Whether the campaign has several backends: that of the trial is named.
    """
    from orchestrator.core.session.live_progress import steps_of

    steps = live.line if live else steps_of(row["steps_done"], row["target_steps"])
    value = "" if row["objective"] is None else f", objective {row['objective']:.6g}"
    state = f"{row['state']}{_why(row)}" + (f" on {row['backend']}" if several and row["backend"] else "")
    end = "no claim" if row["no_claim"] else f"verdict {row['verdict'] or '-'}"
    counted = live or row["steps_done"] or row["target_steps"] is not None or row["state"] != "done"
    steps = f"{steps}, " if counted else ""  # a section without steps
    yield f"  {row['lineage']}  {row['trial']}: {state}, {steps}{end}{value}"
    if examined is not None:
        yield f"            {examined.line}"


def _why(row: dict[str, object]) -> str:
    """The reason for a trial's state, in brackets; empty without one."""
    if row["rests"] and row["why"] in ("", "disk_full"):
        return f" ({row['why'] or 'after a failure'}, until {str(row['due_at'])[:16].replace('T', ' ')} UTC)"
    return f" ({row['why']})" if row["why"] else ""
