"""The live table of a campaign with lines above it; without a terminal only the lines."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TextIO

from rich import box
from rich.console import Console as RichConsole
from rich.live import Live
from rich.table import Table

from orchestrator.cli.output.standard_output import PULSE, Printable, Pulse, print_line
from orchestrator.core.messages import Message
from orchestrator.core.section.lineage import short

if TYPE_CHECKING:
    from orchestrator.core.campaign.config import Campaign
    from orchestrator.core.campaign.trial_status import TrialStatus
    from orchestrator.core.session.live_progress import LiveProgress
    from orchestrator.pipeline.campaign.tick_report import TickReport

_MOST_ROWS = 40
_MOST_LINES = 12
_LINES_EVERY_S = 10.0
NONE_IN_FLIGHT: Mapping[str, LiveProgress] = {}


class LiveBoard:
    """Shows many runs at once: a table of their status on a terminal, and lines.

    Args:
        stream: Where to print.
        monotonic: Clock in seconds, to space the lines where there is no terminal.
        pulse: Repeats the last line when nothing is printed for long.
    """

    def __init__(self, stream: TextIO, monotonic: Callable[[], float] = time.monotonic, pulse: Pulse = PULSE) -> None:
        self._stream = stream
        self._pulse = pulse
        self._monotonic = monotonic
        self._said_s = monotonic()
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
        self._said_s = self._monotonic() if lines else self._said_s
        for line in lines:
            text = self._printable(line)
            self._pulse.said(text, self._print)
            self._print(text)

    def _print(self, text: str) -> None:
        if self._live is not None:
            self._console.print(text, soft_wrap=True)
        else:
            print_line(text, self._stream)

    def begins(self, what: str) -> None:
        """Name what begins; it is printed only if nothing else is within two seconds."""
        self._pulse.begins(self._printable(what), self._print)

    def report(self, message: Message) -> None:
        """Print a message."""
        self.say(*message.lines)

    def progress(self, report: dict[str, Any]) -> None:
        """Not shown: the table has the steps of each variant."""

    def quiet(self) -> None:
        """There is no progress display to end."""

    def show(self, campaign: Campaign, ticked: TickReport, in_flight: Mapping[str, LiveProgress]) -> None:
        """Redraw the table; without a terminal, print a line for each trial in flight if nothing was said for 10 s.

        Args:
            in_flight: Lineage id -> the session in flight of a trial.
        """
        lines = [self._printable(line) for line in live_lines(in_flight)]
        if self._live is not None:
            self._pulse.shown()
            waits = self._printable(ticked.waits)
            self._live.update(table_of(campaign, ticked.statuses, waits, in_flight, lines), refresh=True)
        elif lines and self._monotonic() - self._said_s >= _LINES_EVERY_S:
            self.say(*lines)


def live_lines(in_flight: Mapping[str, LiveProgress]) -> list[str]:
    """A line for each trial in flight: steps, rate, time left, reward, time until the deadline.

    Args:
        in_flight: Lineage id -> its session.
    """
    lines = [f"[{short(lineage)}] {one.line}" for lineage, one in in_flight.items()]
    rest = len(lines) - _MOST_LINES
    return lines if rest <= 0 else [*lines[:_MOST_LINES], f"and {rest} more in flight"]


def table_of(
    campaign: Campaign,
    standings: tuple[TrialStatus, ...],
    waits: str,
    in_flight: Mapping[str, LiveProgress] = NONE_IN_FLIGHT,
    lines: Sequence[str] = (),
) -> Table:
    """A row for each variant, with ASCII borders that every terminal can draw.

    Args:
        waits: Why nothing more starts.
        in_flight: Lineage id -> its session; the steps of a variant include those in flight.
        lines: Shown below the table.
    """
    caption = "\n".join([*([waits] if waits else []), *lines])
    table = Table(title=campaign.title or campaign.campaign, caption=caption or None, box=box.ASCII)
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
            str(sum(_steps_now(one, in_flight) for one in members)),
            f"{sum(one.wall_s for one in members) / 3600:.2f}",
        )
    if len(rows) > _MOST_ROWS:
        table.add_row(f"and {len(rows) - _MOST_ROWS} more", *[""] * (len(states) + 3))
    return table


def _steps_now(one: TrialStatus, in_flight: Mapping[str, LiveProgress]) -> int:
    live = in_flight.get(one.trial.lineage_id)
    return one.steps_done if live is None else max(one.steps_done, live.steps)
