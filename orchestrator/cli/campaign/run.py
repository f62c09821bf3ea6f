"""`campaign run`: ticks in a loop until the campaign is over, with a live table on a terminal."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli.campaign.loading import File, open_campaign
from orchestrator.cli.campaign.presentation import exit_code_of, tick_json, tick_lines
from orchestrator.cli.campaign.tick import contexts_at_hand, lease_taken, with_new_image
from orchestrator.cli.error_boundary import print_json, run_command
from orchestrator.cli.options import AsJson, BackendName, NewImage

if TYPE_CHECKING:
    from orchestrator.cli.output.live_table import LiveBoard
    from orchestrator.pipeline.campaign.context import CampaignContext
    from orchestrator.pipeline.campaign.tick_report import TickReport
    from orchestrator.wiring.live_logs import LiveTrials

EveryS = Annotated[float | None, typer.Option("--every-s", help="Seconds between two ticks; default: the backend's.")]


def run(
    file: File,
    backend: BackendName = None,
    every_s: EveryS = None,
    new_image: NewImage = False,
    as_json: AsJson = False,
) -> int:
    """Run a campaign to its end, with the ticks of a scheduled job. If interrupted, the same command continues."""

    def act() -> int:
        from orchestrator.cli.output.live_table import LiveBoard
        from orchestrator.cli.output.narrators import for_trial
        from orchestrator.core.errors import BadInput
        from orchestrator.wiring.campaigns import campaign_context
        from orchestrator.wiring.live_logs import LiveTrials

        if every_s is not None and not 0 <= every_s < float("inf"):
            raise BadInput(f"--every-s must be 0 or more and finite, not {every_s}", remedy="Give seconds.")
        board = LiveBoard(sys.stderr if as_json else sys.stdout)
        board.begins(f"Reading campaign {file} and its sessions")
        project, campaign, trials = open_campaign(file, backend)
        with (
            campaign_context(project, campaign, trials, lambda name: for_trial(name, board)) as context,
            lease_taken(context),
            LiveTrials(project) as live,
            board,
        ):
            report = _until_over(with_new_image(context, new_image, board.say), board, every_s, live)
        board.say(*tick_lines(campaign, report)[len(report.changes) :])
        if as_json:
            print_json(tick_json(campaign, report))
        return exit_code_of(report)

    return run_command(act, as_json=as_json)


_SHOW_EVERY_S = 3.0
_WITHOUT_BACKEND_S = (10.0, 60.0)


def _until_over(context: CampaignContext, board: LiveBoard, every_s: float | None, live: LiveTrials) -> TickReport:
    from orchestrator.core.session.polling import pause_s
    from orchestrator.pipeline.campaign.tick import CampaignTicker
    from orchestrator.pipeline.campaign.tick_report import LOST_LEASE, notify

    ticker, ticks_without_change = CampaignTicker(context), 0
    answering = contexts_at_hand(context)
    look_every_s = min((one.backend.capabilities.look_every_s for one in answering), default=_WITHOUT_BACKEND_S)
    known_troubles: tuple[str, ...] = ()
    while True:
        report = ticker.tick()
        _show(context, board, live, report)
        board.say(*report.changes, *(f"Trouble: {one}" for one in report.troubles if one not in known_troubles))
        board.say(*notify(context, report))
        known_troubles = report.troubles
        if report.over or LOST_LEASE in report.troubles:
            return report
        ticks_without_change = 0 if report.changes else ticks_without_change + 1
        left_s = every_s if every_s is not None else pause_s(ticks_without_change, look_every_s)
        while left_s > 0:
            context.clock.sleep(min(left_s, _SHOW_EVERY_S))
            left_s -= _SHOW_EVERY_S
            _show(context, board, live, report)


def _show(context: CampaignContext, board: LiveBoard, live: LiveTrials, report: TickReport) -> None:
    """Show the trials, those in flight as far as they are now."""
    trials = [one.trial for one in report.statuses]
    board.show(context.campaign, report, live.now(trials, context.ledger.open_sessions()))
