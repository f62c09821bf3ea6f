"""The live table of a campaign with lines above it; without a terminal only the lines."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, TextIO

from rich import box
from rich.console import Console as RichConsole
from rich.live import Live
from rich.table import Table

from orchestrator.cli.output.standard_output import Printable, print_line
from orchestrator.core.messages import Message

if TYPE_CHECKING:
    from orchestrator.core.campaign.config import Campaign
    from orchestrator.core.campaign.trial_status import TrialStatus
    from orchestrator.pipeline.campaign.tick_report import TickReport

_MOST_ROWS = 40


class LiveBoard:
    """Shows many runs at once: a table of their status on a terminal, and lines.

    Args:
        stream: Where to print.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._printable = Printable(stream)
        self._console = RichConsole(file=stream, highlight=False, markup=False)
        self._live = Live(console=self._console, auto_refresh=False) if stream.isatty() else None

    def __enter__(self) -> LiveBoard:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *fault: object) -> None:
        if self._live is not None:
            self._live.stop()

    def say(self, *lines: str) -> None:
        """Print whole lines."""
        for line in lines:
            text = self._printable(line)
            if self._live is not None:
                self._console.print(text, soft_wrap=True)
            else:
                print_line(text, self._stream)

    def report(self, message: Message) -> None:
        """Print a message."""
        self.say(*message.lines)

    def progress(self, report: dict[str, Any]) -> None:
        """Not shown: the table has the steps of each variant once a session has ended."""

    def quiet(self) -> None:
        """There is no progress display to end."""

    def show(self, campaign: Campaign, ticked: TickReport) -> None:
        """Redraw the table."""
        if self._live is not None:
            self._live.update(table_of(campaign, ticked.statuses, self._printable(ticked.waits)), refresh=True)


def table_of(campaign: Campaign, standings: tuple[TrialStatus, ...], waits: str) -> Table:
    """A row for each variant, with ASCII borders that every terminal can draw."""
    table = Table(title=campaign.title or campaign.campaign, caption=waits or None, box=box.ASCII)
    searches = any(one.trial.variant.searched for one in standings)
    states = ("done", "live", "waiting", "failed", *(("pruned",) if searches else ()))
    for name in ("variant", *states, "other", "steps", "hours"):
        table.add_column(name, justify="left" if name == "variant" else "right")
    rows: dict[int, list[TrialStatus]] = {}
    for one in standings:
        rows.setdefault(one.trial.variant.index, []).append(one)
    for members in list(rows.values())[:_MOST_ROWS]:
        counts = Counter(one.state.value for one in members)
        known = [counts.pop(name, 0) for name in states]
        table.add_row(
            members[0].trial.variant.label,
            *map(str, known),
            str(sum(counts.values())),
            str(sum(one.steps_done for one in members)),
            f"{sum(one.wall_s for one in members) / 3600:.2f}",
        )
    if len(rows) > _MOST_ROWS:
        table.add_row(f"and {len(rows) - _MOST_ROWS} more", *[""] * (len(states) + 3))
    return table
