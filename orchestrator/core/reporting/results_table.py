"""The tidy table of a campaign: one row per number of a finished trial, traceable to its session and files."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeGuard

from orchestrator.core.reporting.finished_trial import Finished
from orchestrator.core.run.summary import shown_verdict
from orchestrator.core.session.judgement import finite

WHAT = ("campaign", "group", "settings", "section", "profile", "seed", "lineage_id", "steps", "verdict")
NUMBER = ("metric", "part", "value")
ORIGIN = ("code_digest", "policy_digest")
HISTORY = (
    "run_id",
    "session",
    "manifest_sha256",
    "sessions",
    "seams",
    "wasted_steps",
    "resume_grade",
    "wall_s",
    "command",
)
"""Columns on how a trial was run. Campaigns with equal results may differ in these columns only."""

_COSTS = "spent_s"
"""Key of a summary with wall seconds by activity; it is about the machine, so it has no rows."""

COLUMNS = (*WHAT, *NUMBER, *ORIGIN, *HISTORY)


def rows_of(campaign: str, finished: Finished) -> Iterator[dict[str, Any]]:
    """Rows of one finished trial."""
    trial, record = finished.trial, finished.evaluating
    about = {
        "campaign": campaign,
        "group": trial.variant.group,
        "settings": ";".join(f"{key}={value}" for key, value in sorted(trial.variant.settings.items())),
        "section": trial.variant.card.section,
        "profile": trial.variant.profile,
        "seed": trial.seed,
        "lineage_id": trial.lineage_id,
        "steps": record.steps_done,
        "verdict": shown_verdict(record.verdict, record.no_claim),
        "code_digest": record.ticket["bundle_digest"],
        "policy_digest": finished.policy_digest,
        "run_id": record.run_id,
        "session": record.slug,
        "manifest_sha256": finished.manifest_sha256,
        "sessions": len(finished.sessions),
        "seams": ";".join(map(str, finished.curve.seams)),
        "wasted_steps": finished.curve.wasted_steps,
        "resume_grade": finished.resume_grade,
        "wall_s": finished.wall_s,
        "command": finished.command,
    }
    for metric, part, value in _numbers(finished.manifest.outcome.summary):
        yield {**about, "metric": metric, "part": part, "value": value}


def _numbers(summary: Mapping[str, Any]) -> Iterator[tuple[str, str, object]]:
    """The numbers in a section's summary; one empty row without any, so that no trial is left out.

    Numbers below a key have the rest of their name in the second place: `{"error": {"top": 3}}` is `error`, `top`.
    Three numbers `[value, low, high]` with low <= value <= high are an estimate and its interval. Other lists have no
    row.
    """
    found = False
    for name, value in sorted(summary.items()):
        for metric, rest, number in _named(name, value) if name != _COSTS else ():
            found = True
            yield metric, rest, number
    if not found:
        yield "", "", ""


def _named(name: str, value: object) -> Iterator[tuple[str, str, object]]:
    if isinstance(value, Mapping):
        for key, below in sorted(value.items()):
            for metric, rest, number in _named(str(key), below):
                yield name, f"{metric}.{rest}" if rest else metric, number
    elif _is_estimate(value):
        for end, number in zip(("", "_low", "_high"), value, strict=True):
            yield f"{name}{end}", "", number
    elif finite(value) is not None:
        yield name, "", value


def _is_estimate(value: object) -> TypeGuard[Sequence[float]]:
    """Whether it is `[value, low, high]`."""
    if not isinstance(value, list | tuple) or len(value) != 3 or any(finite(one) is None for one in value):
        return False
    return bool(value[1] <= value[0] <= value[2])


def to_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """The table as CSV, with LF line ends."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
