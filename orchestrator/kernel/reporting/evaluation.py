"""Reads the evaluations of a training from a session's log and from its event file.

`orchestrator.sb3.training.best_model` writes them; a test checks that this module reads what it writes.
"""

from __future__ import annotations

from typing import Any, TypeGuard

from orchestrator.kernel.reading.json_text import Unreadable, read_json
from orchestrator.kernel.reading.shapes import MOST_WHOLE
from orchestrator.kernel.wire import REPORT_TAG

EVALUATED = "evaluated"
"""Kind of the report; its fields are `steps`, `score` (higher is better) and `measures`."""


def read_evaluation(line: str) -> tuple[int, float] | None:
    """Steps and score of an evaluation, from a line of the event file or of the log; None for any other line."""
    _, tag, body = line.partition(REPORT_TAG)
    try:
        return evaluation_in(read_json(body if tag else line))
    except Unreadable:
        return None


def evaluation_in(report: Any) -> tuple[int, float] | None:
    """Steps and score of an evaluation, None for any other report or without valid numbers."""
    if not isinstance(report, dict) or report.get("kind") != EVALUATED:
        return None
    steps, score = report.get("steps"), report.get("score")
    if not _is_number(steps) or not _is_number(score) or not 0 <= steps <= MOST_WHOLE:
        return None
    return int(steps), float(score)


def _is_number(value: Any) -> TypeGuard[float]:
    """Whether it is a finite number that fits into a float."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300
