"""What a script reports while it trains: a file with one JSON line for each report, and progress in the log."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any

from orchestrator.kernel.files.atomic import write_bytes
from orchestrator.kernel.files.storage import is_full
from orchestrator.kernel.outcome import SessionRefused
from orchestrator.kernel.reading.json_text import read_bounded, read_lines
from orchestrator.kernel.session.context import SessionContext
from orchestrator.kernel.training.settings import whole_number

PROGRESS_NAME = "progress.jsonl"
_MOST_REPORT_BYTES = 1 << 30
_RESERVED = frozenset({"at", "deadline_at", "kind", "last", "self"})
"""Fields of every event; a number of the script with such a name is only in the file of reports."""


class Progress:
    """Writes the reports of a training; after a resume each report is there once.

    Args:
        context: The session.
        start: Steps done before it.
        target: Steps of the whole training, None if unknown.
        reported: Reports made up to the checkpoint; later lines are of lost work and are removed. None if an older
            version saved it; then lines of later steps are removed.

    Attributes:
        reported: Reports of the whole training until now.

    Raises:
        SessionRefused: Something else than a file has the name of the file of reports.
    """

    def __init__(self, context: SessionContext, *, start: int, target: int | None, reported: int | None = 0) -> None:
        self._context = context
        self._start, self._target = start, target
        self._started_s = context.monotonic()
        self._last_s: float | None = None
        self._path = context.metrics_dir / PROGRESS_NAME
        if os.path.lexists(self._path) and not self._path.is_file():  # to open a pipe blocks
            raise SessionRefused(
                f"{self._path} is no regular file, and the reports of the training are written there",
                remedy="Move it away, or give it another name.",
            )
        self._prepared = False
        self._kept = reported
        self.reported = len(_lines_before(self._path, start)) if reported is None else reported

    def report(self, step: int, numbers: dict[str, Any]) -> float | None:
        """Write one report.

        Returns:
            Its `score` if it is a finite number.

        Raises:
            OSError: The file cannot be written.
            ValueError: The step is not a whole number.
        """
        step = whole_number("report(step)", step, least=0)
        plain = {name: _plain(value) for name, value in numbers.items()}
        if not self._prepared:
            _keep_before(self._path, self._start, self._kept)
            self._prepared = True
        with self._path.open("a", encoding="utf-8", newline="\n") as stream:
            stream.write(json.dumps({"step": step, **plain}) + "\n")
        self.reported += 1
        self._show(step, plain)
        score = plain.get("score")
        return float(score) if isinstance(score, int | float) else None

    def _show(self, step: int, plain: dict[str, Any]) -> None:
        now_s = self._context.monotonic()
        reporter = self._context.reporter
        rate = (step - self._start) / max(now_s - self._started_s, 1e-9)
        numbers = {name: value for name, value in plain.items() if name not in _RESERVED}
        reporter.progress(**{**self._speed(step, rate), **numbers, "steps": step, "target_steps": self._target})
        if isinstance(score := plain.get("score"), int | float):
            reporter.event("evaluated", steps=step, score=score)
        if self._last_s is not None and now_s - self._last_s < 10.0:
            return
        self._last_s = now_s
        of = "" if self._target is None else f"/{self._target}"
        left = "" if self._target is None or rate <= 0 else f" | {max(0.0, (self._target - step) / rate):.0f} s left"
        shown = "".join(
            f" | {name} {f'{value:.6g}' if isinstance(value, float) else value}" for name, value in plain.items()
        )
        reporter.say(f"step {step}{of} | {rate:.1f} steps/s{left}{shown}")

    def _speed(self, step: int, rate: float) -> dict[str, float]:
        """Steps per second of this session and seconds left, for programs; a script may report its own."""
        if not 0.0 < rate < _FASTEST:
            return {}
        left = {} if self._target is None else {"eta_s": round(max(0, self._target - step) / rate, 1)}
        return {"steps_per_s": float(f"{rate:.6g}"), **left}


_FASTEST = 1e9
"""Steps per second above which no time has passed yet."""


def _plain(value: Any) -> Any:
    """A number or text as JSON; numbers of numpy and torch become Python's. JSON has no NaN: it becomes a text."""
    if value is None or isinstance(value, str | bool):
        return value
    if not isinstance(value, int | float) or type(value) not in (int, float):
        value = value.item() if callable(getattr(value, "item", None)) else value
    if isinstance(value, float) and not math.isfinite(value):
        return repr(value)
    if not isinstance(value, int | float):
        raise TypeError(f"a report takes numbers and texts, not {type(value).__name__}")
    return value


def _keep_before(path: Path, start: int, reported: int | None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    kept = _lines_before(path, start) if reported is None else _whole_lines(path)[:reported]
    write_bytes(path, b"".join(line + b"\n" for line in kept))


def _whole_lines(path: Path) -> list[bytes]:
    """The lines of a file of reports as they were written, without one that a kill cut off."""
    return read_bounded(path, _MOST_REPORT_BYTES).split(b"\n")[:-1] if path.is_file() else []


def _lines_before(path: Path, start: int) -> list[bytes]:
    """The lines of a file of reports whose step is below `start`."""
    lines = _whole_lines(path)
    steps = {
        number: report.get("step")
        for number, report in read_lines(b"\n".join(lines), path.name)
        if isinstance(report, dict)
    }
    return [line for number, line in enumerate(lines, 1) if isinstance(step := steps.get(number), int) and step < start]


def left_message(saved_steps: int, target: int | None, *, unused_callback: bool = False) -> str:
    """Message for a script that left before its target.

    Args:
        unused_callback: Whether the script built a model with `run.sb3` and no `learn` called `run.callback`.
    """
    of = "" if target is None else f" of {target}"
    why = "`break` saves nothing: call run.finish() to end earlier."
    if unused_callback:
        why = "run.callback was not used: model.learn(run.remaining, callback=run.callback, reset_num_timesteps=False)"
    return f"Left before the end of the training: {saved_steps}{of} steps are saved. {why}"


def cannot_write(fault: OSError, folder: Path) -> str:
    """Message for a failed save."""
    what = "is full" if is_full(fault) else f"cannot be written: {fault.strerror or fault}"
    return f"the disk of {folder} {what}. Earlier checkpoints are untouched"
