"""`campaign tick`: one bounded step, for a scheduled job; and `campaign recover` before it on an empty computer."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli.campaign.loading import File, open_campaign
from orchestrator.cli.campaign.presentation import exit_code_of, tick_json, tick_lines
from orchestrator.cli.error_boundary import print_json, run_command
from orchestrator.cli.options import AsJson, BackendName

if TYPE_CHECKING:
    from orchestrator.pipeline.campaign.context import CampaignContext


Recover = Annotated[
    bool, typer.Option("--recover", help="First take up what exists on the backend and is not known here.")
]
RecoverMissing = Annotated[
    bool,
    typer.Option(
        "--recover-missing",
        help="First check ledger, results and checkpoints, and recover only what is missing: safe to give always.",
    ),
]


def tick(
    file: File,
    backend: BackendName = None,
    recover: Recover = False,
    recover_missing: RecoverMissing = False,
    as_json: AsJson = False,
) -> int:
    """Collect what has ended, start what fits, print what changed, and leave. Repeatable at any time."""

    def act() -> int:
        from orchestrator.cli.output.console import Console
        from orchestrator.cli.output.narrators import for_trial
        from orchestrator.pipeline.campaign.notify import notify
        from orchestrator.pipeline.campaign.recover import complete_results, lacks_ledger
        from orchestrator.pipeline.campaign.recover import recover as recover_all
        from orchestrator.pipeline.campaign.tick import CampaignTicker
        from orchestrator.wiring.campaigns import campaign_context

        project, campaign, trials = open_campaign(file, backend)
        console = Console(sys.stderr if as_json else sys.stdout)
        with campaign_context(project, campaign, trials, lambda name: for_trial(name, console)) as context:
            take_lease(context)
            try:
                recovering = recover or (recover_missing and lacks_ledger(context))
                if recovering:
                    console.say(f"Recovered {recover_all(context)} session(s) from the backend")
                elif recover_missing:
                    console.say(*(f"Trouble: {one}" for one in complete_results(context)))
                ticked = CampaignTicker(context, recovering=recovering).tick()
                told = notify(context, ticked)
            finally:
                context.lease.release()
        console.say(*tick_lines(campaign, ticked), *told)
        if as_json:
            print_json({**tick_json(campaign, ticked), "told": list(told)})
        return exit_code_of(ticked)

    return run_command(act, as_json=as_json)


def recover(file: File, backend: BackendName = None, as_json: AsJson = False) -> int:
    """Rebuild ledger, results and checkpoints from the backend; the next tick collects what has ended."""

    def act() -> int:
        from orchestrator.cli.output.console import Console
        from orchestrator.cli.output.narrators import for_trial
        from orchestrator.pipeline.campaign.recover import recover as recover_all
        from orchestrator.wiring.campaigns import campaign_context

        project, campaign, trials = open_campaign(file, backend)
        console = Console(sys.stderr if as_json else sys.stdout)
        with campaign_context(project, campaign, trials, lambda name: for_trial(name, console)) as context:
            take_lease(context)
            try:
                taken = recover_all(context)
            finally:
                context.lease.release()
        console.say(f"Recovered {taken} session(s) from the backend")
        if as_json:
            print_json({"campaign": campaign.campaign, "taken_up": taken})
        return 0

    return run_command(act, as_json=as_json)


def take_lease(context: CampaignContext) -> None:
    """Take the lease.

    Raises:
        NotYet: Another tick is at work on this computer.
    """
    from orchestrator.core.errors import NotYet

    if not context.lease.take():
        raise NotYet(
            "another `campaign tick` or `run` is at work on this computer",
            remedy="It goes on by itself; nothing was done here.",
        )
