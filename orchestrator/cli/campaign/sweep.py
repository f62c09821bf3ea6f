"""`campaign sweep`: delete the old kernels of finished trainings."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli.campaign.loading import File, open_campaign
from orchestrator.cli.campaign.tick import lease_taken
from orchestrator.cli.error_boundary import print_json, run_command
from orchestrator.cli.options import AsJson, BackendName

if TYPE_CHECKING:
    from orchestrator.core.campaign.sweeping import SweptKernel

DryRun = Annotated[bool, typer.Option("--dry-run", help="Name the kernels only: nothing is deleted.")]


def sweep(file: File, backend: BackendName = None, dry_run: DryRun = False, as_json: AsJson = False) -> int:
    """Delete old kernels of finished trainings on the backend, if all they made is verified and in place here.

    The newest two of each training stay, and every kernel whose outputs a session may still need.
    """

    def act() -> int:
        from orchestrator.cli.output.console import Console
        from orchestrator.cli.output.narrators import for_trial
        from orchestrator.core.errors import EXIT_DONE, EXIT_RUN_FAILED
        from orchestrator.pipeline.campaign.context import read_trial_statuses
        from orchestrator.pipeline.campaign.sweep import sweep as sweep_all
        from orchestrator.wiring.campaigns import campaign_context

        project, campaign, trials = open_campaign(file, backend)
        console = Console(sys.stderr if as_json else sys.stdout)
        swept: list[SweptKernel] = []
        with (
            campaign_context(
                project, campaign, trials, lambda name: for_trial(name, console), only_look=dry_run
            ) as context,
            nullcontext() if dry_run else lease_taken(context),
        ):
            statuses = read_trial_statuses(context.ledger, campaign, trials, context.code_digest)
            for one in sweep_all(context, statuses, dry_run=dry_run):
                swept.append(one)
                console.say(_line(one, dry_run=dry_run))
        deleted = sum(not one.kept for one in swept)
        verb = "would be deleted" if dry_run else "deleted"
        console.say(f"{deleted} kernel(s) {verb}, {len(swept) - deleted} kept")
        code = EXIT_RUN_FAILED if any(one.trouble for one in swept) else EXIT_DONE
        if as_json:
            rows = [one.to_json() for one in swept]
            print_json({"campaign": campaign.campaign, "dry_run": dry_run, "kernels": rows, "exit_code": code})
        return code

    return run_command(act, as_json=as_json)


def _line(one: SweptKernel, *, dry_run: bool) -> str:
    name = f"{one.training} {one.session}".rstrip()
    if one.kept:
        return f"kept {name}: {one.kept}"
    return f"{'would delete' if dry_run else 'deleted'} {name}"
