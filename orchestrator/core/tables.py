"""The tidy table of a campaign: one line for each finished trial and number, each traceable to session and bytes."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from functools import reduce
from typing import Any

from kernel_templates.kernel_runtime.manifest import Manifest
from orchestrator.core.compatibility import worse_grade
from orchestrator.core.expansion import Trial
from orchestrator.core.records import SessionRecord
from orchestrator.core.standings import Standing

WHAT = ("campaign", "group", "settings", "section", "profile", "seed", "lineage_id", "steps", "verdict")
NUMBER = ("metric", "controller", "value")
ORIGIN = ("code_digest", "policy_digest")
HISTORY = ("run_id", "session", "sessions", "resume_grade", "wall_s", "command")
"""Columns that say how a trial came about; two campaigns with the same results may differ in them, and only in them."""

COLUMNS = (*WHAT, *NUMBER, *ORIGIN, *HISTORY)


def rows_of(
    campaign: str, standing: Standing, sessions: Sequence[SessionRecord], manifest: Manifest
) -> Iterator[dict[str, Any]]:
    """Lines of one finished trial.

    Args:
        sessions: Those that made what was evaluated, oldest first; the last one reached the target and evaluated.
        manifest: What that last session says of itself.
    """
    trial, record = standing.trial, sessions[-1]
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
        "policy_digest": _evaluated_digest(manifest),
        "run_id": record.run_id,
        "session": record.slug,
        "sessions": standing.sessions,
        "resume_grade": reduce(worse_grade, (one.resume_grade for one in sessions)) or "",
        "wall_s": round(standing.wall_s, 3),
        "command": command_of(trial, record.backend),
    }
    for metric, controller, value in _numbers(manifest.outcome.summary):
        yield {**about, "metric": metric, "controller": controller, "value": value}


def _evaluated_digest(manifest: Manifest) -> str:
    """Digest of the policy that the numbers come from: where a section says which one it evaluated, of that."""
    evaluated = manifest.outcome.summary.get("evaluated_model") or {}
    return str(evaluated.get("policy_digest") or manifest.outcome.training.get("policy_digest_after", ""))


def command_of(trial: Trial, backend: str) -> str:
    """The `run` command that is this trial."""
    words = [f"run {trial.variant.card.section} --{trial.variant.profile} --backend {backend} --seed {trial.seed}"]
    words += [f"--set {key}={value}" for key, value in sorted(trial.variant.settings.items())]
    return " ".join(words)


def _numbers(summary: Mapping[str, Any]) -> Iterator[tuple[str, str, object]]:
    """Headline numbers of a section, whatever it calls them; at least one line, so that no trial is left out."""
    told = False
    for name, value in sorted(summary.items()):
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            told = True
            yield name, "", value
        elif isinstance(value, Mapping) and name == "delay_s_per_veh":
            for controller, number in sorted(value.items()):
                told = True
                yield name, controller, number
        elif name == "delay_reduction_pct" and isinstance(value, Sequence) and len(value) == 3:
            for end, number in zip(("", "_low", "_high"), value, strict=True):
                told = True
                yield f"{name}{end}", "", number
    if not told:
        yield "", "", ""


def to_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """The table as CSV, with LF line ends."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
