"""Prints whole lines, and a progress bar on a terminal; elsewhere progress is a line from time to time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TextIO

from rich.console import Console as RichConsole
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from orchestrator.cli.output.standard_output import PULSE, Printable, Pulse, print_line
from orchestrator.core.messages import Message

_LINE_EVERY_S = 10.0
"""Shorter than the pause between two reports of a long session, so that each of them is a line."""
_LINE_EVERY_SHARE = 0.1


class Console:
    """A narrator on a text stream.

    Args:
        stream: Standard output, or standard error when standard output is for machines.
        monotonic: Clock in seconds, to space the progress lines where there is no terminal.
        pulse: Repeats the last line when nothing is printed for long; None for output that is copied, such as a log.
    """

    def __init__(
        self, stream: TextIO, monotonic: Callable[[], float] = time.monotonic, *, pulse: Pulse | None = PULSE
    ) -> None:
        self._stream = stream
        self._pulse = pulse
        self._printable = Printable(stream)
        self._monotonic = monotonic
        self._bar: Progress | None = None
        self._bar_row: TaskID | None = None
        self._last_line_s = float("-inf")
        self._last_share = -1.0

    def say(self, *lines: str) -> None:
        """Print whole lines."""
        for line in lines:
            self._said(self._printable(line))

    def begins(self, what: str) -> None:
        """Name what begins; it is printed only if nothing else is within two seconds."""
        if self._pulse is not None:
            self._pulse.begins(self._printable(what), self._print)

    def _said(self, text: str) -> None:
        if self._pulse is not None:
            self._pulse.said(text, self._print)
        self._print(text)

    def _print(self, text: str) -> None:
        if self._bar is not None:
            self._bar.console.print(text, markup=False, highlight=False, soft_wrap=True)
        else:
            print_line(text, self._stream)

    def report(self, message: Message) -> None:
        """Print a message of any level: a person watches this one run."""
        self.say(*message.lines)

    def progress(self, report: dict[str, Any]) -> None:
        """Show the progress of the training; without a terminal in a line from time to time."""
        share = _share(report)
        at_end = share is not None and share >= 1 and share == self._last_share
        if self._stream.isatty():
            self._show_bar(self._text(report), share)
            if self._pulse is not None and not at_end:
                self._pulse.shown()
            self._last_share = self._last_share if share is None else share
            return
        if at_end:
            return  # what goes on now, such as a comparison, is said by other lines
        now_s, grown = self._monotonic(), 0.0 if share is None else share - self._last_share
        is_due = now_s - self._last_line_s >= _LINE_EVERY_S or grown >= _LINE_EVERY_SHARE
        if not is_due and (share is None or share < 1):
            return
        if share is None:
            self._said(f"  {self._text(report)}")
        elif share != self._last_share or now_s - self._last_line_s >= _LINE_EVERY_S:
            self._said(f"  {min(share, 1.0):4.0%}  {self._text(report)}")
        self._last_line_s, self._last_share = now_s, self._last_share if share is None else share

    def _text(self, report: dict[str, Any]) -> str:
        # Names are masked before they are cut.
        return self._printable(describe_progress({self._printable(str(name)): one for name, one in report.items()}))

    def quiet(self) -> None:
        """End the progress display."""
        if self._bar is not None:
            self._bar.stop()
        self._bar, self._bar_row, self._last_share = None, None, -1.0

    def _show_bar(self, text: str, share: float | None) -> None:
        if self._bar is None:
            # ASCII bars where the terminal cannot draw lines; rich decides by the stream's encoding.
            console = RichConsole(file=self._stream)
            columns = (
                BarColumn(bar_width=30),
                TextColumn("{task.fields[percent]}"),
                TextColumn("{task.description}", markup=False),
            )
            self._bar = Progress(*columns, console=console)
            self._bar.start()
            self._bar_row = self._bar.add_task("", total=None if share is None else 1.0, percent="")
        if self._bar_row is not None:
            done = 0.0 if share is None else min(share, 1.0)
            percent = "" if share is None else f"{done:>4.0%}"
            total = None if share is None else 1.0  # the first report may not have named the target
            self._bar.update(self._bar_row, completed=done, description=text, percent=percent, total=total)


_ABOUT_THE_RUN = frozenset({"steps", "target_steps", "steps_per_s", "eta_s"})
_MOST_NUMBERS = 4
"""Numbers of the training's own in a progress line; more would not fit into the width of a terminal."""
_LONGEST_NAME = 24


def describe_progress(report: dict[str, Any]) -> str:
    """Steps, speed and time left of a progress report, then the training's own numbers, such as its reward.

    What is not a number there is left out.
    """
    steps, target = (_number(report, name) for name in ("steps", "target_steps"))
    of = "" if _without_target(report) else f"/{'?' if target is None else f'{target:.0f}'}"
    parts = [f"{'?' if steps is None else f'{steps:.0f}'}{of} steps"]
    if (speed := _number(report, "steps_per_s")) is not None:
        parts.append(f"{speed:.0f} steps/s")
    if (eta_s := _number(report, "eta_s")) is not None:
        minutes, seconds = divmod(round(eta_s), 60)
        parts.append(f"{minutes}:{seconds:02d} left")
    own = ((name, _number(report, name)) for name in report if name not in _ABOUT_THE_RUN)
    shown = [f"{_name(name)} {_short(value)}" for name, value in own if value is not None]
    return " | ".join([*parts, *shown[:_MOST_NUMBERS]])


def _name(text: str) -> str:
    """The name of a number on one line, without the `_mean` of stable-baselines3's reward."""
    return " ".join(text.removesuffix("_mean").split())[:_LONGEST_NAME]


def _short(value: float) -> str:
    """A number with one decimal, a small one with three digits."""
    return f"{value:.1f}" if value == 0 or abs(value) >= 1 else f"{value:.3g}"


def _without_target(report: dict[str, Any]) -> bool:
    """Whether the training has no target: its report says null."""
    return "target_steps" in report and report["target_steps"] is None


def _share(report: dict[str, Any]) -> float | None:
    """The share of the training that is done; None where the report lacks its steps or its target."""
    steps, target = _number(report, "steps"), _number(report, "target_steps")
    return steps / target if steps is not None and target is not None and target > 0 else None


def _number(report: dict[str, Any], name: str) -> float | None:
    """A number of a report, None where it is missing or no usable number."""
    value = report.get(name)
    if not isinstance(value, int | float) or isinstance(value, bool) or not abs(value) < _TOO_LARGE:
        return None
    return float(value)


_TOO_LARGE = 1e15
"""Above every real count or time; the comparison also excludes NaN and infinities."""
