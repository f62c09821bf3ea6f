"""How an evaluation during training is told, in a session's log and in its event file, as read on this side.

The kernel writes it (`validation_ch7.learning.selection`); that what it writes is what is read here is a test.
"""

from __future__ import annotations

import json

from kernel_templates.kernel_runtime.wire import REPORT_TAG

EVALUATED = "evaluated"
"""Kind of the report: `steps`, `score` (higher is better), `measures`."""


def read_evaluation(line: str) -> tuple[int, float] | None:
    """Steps and score of an evaluation, from a line of the event file or of the log; None for any other line."""
    _, tag, body = line.partition(REPORT_TAG)
    try:
        report = json.loads(body if tag else line)
        if report["kind"] != EVALUATED:
            return None
        return int(report["steps"]), float(report["score"])
    except (ValueError, KeyError, TypeError):
        return None
