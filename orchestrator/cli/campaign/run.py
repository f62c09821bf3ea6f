"""`campaign run`: ticks in a loop until the campaign is over, with a table that lives on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli.campaign.loading import File, open_campaign
from orchestrator.cli.campaign.presentation import exit_code_of, tick_json, tick_lines
from orchestrator.cli.campaign.tick import take_lease
from orchestrator.cli.error_boundary import print_json, run_command
from orchestrator.cli.options import AsJson, BackendName

if TYPE_CHECKING:
    from orchestrator.cli.output.live_table import LiveBoard
    from orchestrator.pipeline.campaign.context import CampaignContext
    from orchestrator.pipeline.campaign.tick_report import TickReport

EveryS = Annotated[float | None, typer.Option("--every-s", help="Seconds between two ticks; default: the backend's.")]


def run(file: File, backend: BackendName = None, every_s: EveryS = None, as_json: AsJson = False) -> int:
    """Carry a campaign to its end: the same ticks as of a scheduled job. Interrupted, the same command goes on."""

    def act() -> int:
        from orchestrator.cli.output.live_table import LiveBoard
        from orchestrator.cli.output.narrators import for_trial
        from orchestrator.core.errors import BadInput
        from orchestrator.wiring.campaigns import campaign_context

        if every_s is not None and not 0 <= every_s < float("inf"):
            raise BadInput(f"--every-s must be 0 or more and finite, not {every_s}", remedy="Give seconds.")
        project, campaign, trials = open_campaign(file, backend)
        board = LiveBoard(sys.stderr if as_json else sys.stdout)
        with campaign_context(project, campaign, trials, lambda name: for_trial(name, board)) as context:
            take_lease(context)
            with _given_back(context), board:
                ticked = _until_over(context, board, every_s)
        board.say(*tick_lines(campaign, ticked)[len(ticked.changes) :])
        if as_json:
            print_json(tick_json(campaign, ticked))
        return exit_code_of(ticked)

    return run_command(act, as_json=as_json)


def _until_over(context: CampaignContext, board: LiveBoard, every_s: float | None) -> TickReport:
    from orchestrator.core.session.polling import pause_s
    from orchestrator.pipeline.campaign.notify import notify
    from orchestrator.pipeline.campaign.tick import CampaignTicker
    from orchestrator.pipeline.campaign.tick_report import LOST_LEASE

    ticking, quiet = CampaignTicker(context), 0
    looks = context.run_context(context.trials[0].card).backend.capabilities.look_every_s
    told_before: tuple[str, ...] = ()
    while True:
        ticked = ticking.tick()
        board.show(context.campaign, ticked)
        board.say(*ticked.changes, *(f"Trouble: {one}" for one in ticked.troubles if one not in told_before))
        board.say(*notify(context, ticked))
        told_before = ticked.troubles
        if ticked.over or LOST_LEASE in ticked.troubles:
            return ticked
        quiet = 0 if ticked.changes else quiet + 1
        context.clock.sleep(every_s if every_s is not None else pause_s(quiet, looks))


@contextmanager
def _given_back(context: CampaignContext) -> Iterator[None]:
    try:
        yield
    finally:
        context.lease.release()
