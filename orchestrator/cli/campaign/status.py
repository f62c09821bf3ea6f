"""`campaign status`, `campaign results` and `campaign schema`: what stands in ledger, results and code."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.campaign.words import File, open_campaign, plain_standing
from orchestrator.cli.door import print_json, through_door
from orchestrator.cli.options import AsJson, BackendName

Output = Annotated[Path | None, typer.Option("--output", help="Write the table to this file instead of showing it.")]
Markdown = Annotated[bool, typer.Option("--markdown", help="A table for a job summary.")]


def status(file: File, backend: BackendName = None, markdown: Markdown = False, as_json: AsJson = False) -> int:
    """Show where every trial stands. Asks nobody and creates nothing."""

    def act() -> int:
        from orchestrator.cli.campaign.plan import outlook_of
        from orchestrator.cli.console import Console
        from orchestrator.core.backoff import rests

        project, campaign, trials = open_campaign(file, backend)
        outlook = outlook_of(project, campaign, trials, None)
        rows = [plain_standing(one) for one in outlook.standings]
        for row, one in zip(rows, outlook.standings, strict=True):
            row["rests"] = rests(one.due_at, outlook.now)
        if as_json:
            print_json({**outlook.to_json(), "all_trials": rows})
            return 0
        console = Console(sys.stdout)
        if markdown:
            console.say(f"### {campaign.title or campaign.campaign}", "", *_markdown(rows), "")
        else:
            for row in rows:
                why = _why(row)
                steps = f"{row['steps_done']} of {row['target_steps']} steps"
                end = row["verdict"] or "-"
                console.say(f"  {row['lineage']}  {row['trial']}: {row['state']}{why}, {steps}, verdict {end}")
        console.say(*outlook.lines()[-3:])
        return 0

    return through_door(act, as_json=as_json)


def results(file: File, backend: BackendName = None, output: Output = None) -> int:
    """Show the tidy table of finished trials as CSV: one line for each trial and number, each traceable."""

    def act() -> int:
        from orchestrator.cli.console import Console
        from orchestrator.wiring.campaigns import campaign_table

        project, campaign, trials = open_campaign(file, backend)
        text = campaign_table(project, campaign, trials)
        if output is None:
            Console(sys.stdout).say(*text.splitlines())
        else:
            output.write_text(text, encoding="utf-8", newline="")
        return 0

    return through_door(act)


def schema() -> int:
    """Show the JSON Schema of a campaign file, for editors."""

    def act() -> int:
        from orchestrator.stores.campaigns import campaign_schema

        print(json.dumps(campaign_schema(), indent=2, sort_keys=True))
        return 0

    return through_door(act)


def _markdown(rows: list[dict[str, object]]) -> list[str]:
    lines = ["| trial | state | steps | sessions | hours | verdict |", "|---|---|---|---|---|---|"]
    for row in rows:
        why = _why(row)
        wall_h = float(str(row["wall_s"])) / 3600
        lines.append(
            f"| {row['trial']} `{row['lineage']}` | {row['state']}{why} | {row['steps_done']} / {row['target_steps']} "
            f"| {row['sessions']} | {wall_h:.2f} | {row['verdict'] or '-'} |"
        )
    return lines


def _why(row: dict[str, object]) -> str:
    """Why a trial is where it is, in brackets."""
    if row["rests"]:
        return f" (after a failure, until {str(row['due_at'])[:16].replace('T', ' ')} UTC)"
    return f" ({row['why']})" if row["why"] else ""
