"""The tidy table of a campaign: one row per number of a finished trial, traceable to its session and files."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from orchestrator.core.reporting.finished_trial import Finished

WHAT = ("campaign", "group", "settings", "section", "profile", "seed", "lineage_id", "steps", "verdict")
NUMBER = ("metric", "controller", "value")
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
        "verdict": record.verdict,
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
    for metric, controller, value in _numbers(finished.manifest.outcome.summary):
        yield {**about, "metric": metric, "controller": controller, "value": value}


def _numbers(summary: Mapping[str, Any]) -> Iterator[tuple[str, str, object]]:
    """Headline numbers in a section's summary; one empty row without any, so that no trial is left out."""
    found = False
    for name, value in sorted(summary.items()):
        for metric, controller, number in _numbers_of(name, value):
            found = True
            yield metric, controller, number
    if not found:
        yield "", "", ""


def _numbers_of(name: str, value: object) -> Iterator[tuple[str, str, object]]:
    """A number; numbers by name, of which one may be missing (None); or an estimate: value, low and high end."""
    if _is_number(value):
        yield name, "", value
    elif isinstance(value, Mapping) and name != _COSTS:
        if all(number is None or _is_number(number) for number in value.values()):
            yield from ((name, controller, number) for controller, number in sorted(value.items()))
    elif isinstance(value, Sequence) and len(value) == 3 and all(map(_is_number, value)):
        yield from ((f"{name}{end}", "", number) for end, number in zip(("", "_low", "_high"), value, strict=True))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def to_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """The table as CSV, with LF line ends."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
