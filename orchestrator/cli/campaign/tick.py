"""`campaign tick`: one bounded step, for a scheduled job; `campaign recover`: rebuild an empty computer first."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli.campaign.loading import File, open_campaign
from orchestrator.cli.campaign.presentation import exit_code_of, tick_json, tick_lines
from orchestrator.cli.error_boundary import print_json, run_command
from orchestrator.cli.options import AsJson, BackendName, NewImage

if TYPE_CHECKING:
    from orchestrator.pipeline.campaign.context import CampaignContext
    from orchestrator.pipeline.context import RunContext


Recover = Annotated[
    bool, typer.Option("--recover", help="First recover the sessions that exist on the backend and are unknown here.")
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
    new_image: NewImage = False,
    as_json: AsJson = False,
) -> int:
    """Collect what has ended, start what fits, print what changed, and end. Repeatable at any time."""

    def act() -> int:
        from orchestrator.cli.output.console import Console
        from orchestrator.cli.output.narrators import for_trial
        from orchestrator.pipeline.campaign.recover import complete_results, lacks_ledger
        from orchestrator.pipeline.campaign.recover import recover as recover_all
        from orchestrator.pipeline.campaign.tick import CampaignTicker
        from orchestrator.pipeline.campaign.tick_report import notify
        from orchestrator.wiring.campaigns import campaign_context

        console = Console(sys.stderr if as_json else sys.stdout)
        console.begins(f"Reading campaign {file} and its sessions")
        project, campaign, trials = open_campaign(file, backend)
        with (
            campaign_context(project, campaign, trials, lambda name: for_trial(name, console)) as context,
            lease_taken(context),
        ):
            context = with_new_image(context, new_image, console.say)
            recovering = recover or (recover_missing and lacks_ledger(context))
            if recovering:
                console.say(f"Recovered {recover_all(context)} session(s) from the backend")
            elif recover_missing:
                console.say(*(f"Trouble: {one}" for one in complete_results(context)))
            report = CampaignTicker(context, recovering=recovering).tick()
            notified = notify(context, report)
        console.say(*tick_lines(campaign, report), *notified)
        if as_json:
            print_json({**tick_json(campaign, report), "told": list(notified)})
        return exit_code_of(report)

    return run_command(act, as_json=as_json)


def recover(file: File, backend: BackendName = None, as_json: AsJson = False) -> int:
    """Rebuild ledger, results and checkpoints from the backend; the next tick collects what has ended."""

    def act() -> int:
        from orchestrator.cli.output.console import Console
        from orchestrator.cli.output.narrators import for_trial
        from orchestrator.pipeline.campaign.recover import recover as recover_all
        from orchestrator.wiring.campaigns import campaign_context

        console = Console(sys.stderr if as_json else sys.stdout)
        console.begins(f"Reading campaign {file} and its sessions")
        project, campaign, trials = open_campaign(file, backend)
        with (
            campaign_context(project, campaign, trials, lambda name: for_trial(name, console)) as context,
            lease_taken(context),
        ):
            recovered = recover_all(context)
        console.say(f"Recovered {recovered} session(s) from the backend")
        if as_json:
            print_json({"campaign": campaign.campaign, "taken_up": recovered})
        return 0

    return run_command(act, as_json=as_json)


def with_new_image(context: CampaignContext, new_image: bool, say: Callable[[str], object]) -> CampaignContext:
    """The context; with `--new-image` the images of earlier sessions are not asked for."""
    if not new_image:
        return context
    answering = contexts_at_hand(context)
    if answering and not any(one.backend.capabilities.keeps_images for one in answering):
        say(f"--new-image has no effect: backend {' and '.join(context.campaign.limits)} has no images")
    return replace(context, new_image_before=context.clock.now())


def contexts_at_hand(context: CampaignContext) -> list[RunContext]:
    """The first trial on each backend that can be used now.

    Raises:
        RemoteUnavailable: The campaign's only backend cannot be used.
    """
    from orchestrator.core.errors import RemoteUnavailable

    found: list[RunContext] = []
    for backend in context.campaign.limits:
        try:
            found.append(context.run_context(context.trials[0].card, backend))
        except RemoteUnavailable:
            if len(context.campaign.limits) == 1:
                raise
            # Each tick reports it.
    return found


@contextmanager
def lease_taken(context: CampaignContext) -> Iterator[None]:
    """Hold the lease.

    Raises:
        NotYet: Another tick is running on this computer.
    """
    from orchestrator.core.errors import NotYet

    if not context.lease.take():
        raise NotYet(
            "another `campaign tick` or `run` is running on this computer",
            remedy="It continues the campaign; this command did nothing.",
        )
    try:
        yield
    finally:
        context.lease.release()
