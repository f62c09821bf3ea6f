"""The source of a report's numbers, trial by trial, and the sessions of each trial."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator

from orchestrator.kernel.reporting.trial_report import CampaignReport, TrialReport

_COLUMNS = ("variant", "seed", "lineage_id", "steps", "score", "session")


def account_markdown(account: CampaignReport) -> str:
    """The trials with their sessions and digests, as Markdown."""
    return "\n".join([*_head(account), "", *_chains(account), "", *_origins(account)]) + "\n"


def curves_csv(account: CampaignReport) -> str:
    """Every evaluation of every trial as one CSV row, with LF line ends; each measure has its own column."""
    points = [(trial, point) for trial in account.trials for point in trial.curve.points]
    measures = sorted({name for _, point in points for name in point.measures})
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow((*_COLUMNS, *measures))
    for trial, point in points:
        own = (point.measures.get(name, "") for name in measures)
        writer.writerow((trial.variant, trial.seed, trial.lineage_id, point.steps, point.score, point.session, *own))
    return text.getvalue()


def _head(account: CampaignReport) -> Iterator[str]:
    total = len(account.trials) + len(account.unfinished)
    yield f"{len(account.trials)} of {total} trials of `{account.campaign}` are finished. Made by `{account.command}`."
    if account.unfinished:
        yield ""
        yield "Not included: " + "; ".join(_unfinished(account)) + "."


def _unfinished(account: CampaignReport) -> Iterator[str]:
    counts = Counter((label.rpartition(" seed ")[0], state) for label, state in account.unfinished.items())
    for variant in dict.fromkeys(variant for variant, _ in counts):
        yield f"{variant}: " + ", ".join(f"{n} {state}" for (of, state), n in counts.items() if of == variant)


def _chains(account: CampaignReport) -> Iterator[str]:
    for trial in account.trials:
        if trial.curve.measured_otherwise and trial.resume_grade == "exact":
            yield f"**{trial.variant} seed {trial.seed} was graded exact, but a repeated evaluation differs.**"
            yield ""
    yield "Sessions of the trainings. Steps that a killed session trained and the next one repeated are wasted."
    yield ""
    yield "| variant | trainings | sessions | seams | wasted steps | repeated, different | worst resume | hours |"
    yield "|---|---|---|---|---|---|---|---|"
    for variant in dict.fromkeys(trial.variant for trial in account.trials):
        own = [trial for trial in account.trials if trial.variant == variant]
        curves = [trial.curve for trial in own]
        grades = sorted({trial.resume_grade for trial in own if trial.resume_grade}) or ["-"]
        cells = (
            variant,
            len(own),
            sum(len(trial.sessions) for trial in own),
            sum(len(curve.seams) for curve in curves),
            sum(curve.wasted_steps for curve in curves),
            f"{sum(curve.measured_twice for curve in curves)}, {sum(curve.measured_otherwise for curve in curves)}",
            ", ".join(grades),
            f"{sum(trial.wall_s for trial in own) / 3600:.2f}" + _killed(sum(trial.untold for trial in own)),
        )
        yield "| " + " | ".join(map(str, cells)) + " |"


def _killed(sessions: int) -> str:
    return f", without {sessions} killed session(s)" if sessions else ""


def _origins(account: CampaignReport) -> Iterator[str]:
    yield "Source of each number; the manifest holds the digest of every output."
    yield ""
    yield "| variant | seed | session | manifest sha256 | policy | code |"
    yield "|---|---|---|---|---|---|"
    yield from (_origin(trial) for trial in account.trials)
    yield ""
    yield "Commands to repeat each variant, with its seed in place of `N`:"
    yield ""
    yield "```"
    commands = (trial.command.replace(f"--seed {trial.seed}", "--seed N") for trial in account.trials)
    yield from (f"python -m orchestrator {command}" for command in dict.fromkeys(commands))
    yield "```"


def _origin(trial: TrialReport) -> str:
    cells = (trial.session, trial.manifest_sha256[:12], trial.policy_digest[:12], trial.code_digest[:12])
    return f"| {trial.variant} | {trial.seed} | " + " | ".join(f"`{cell}`" for cell in cells) + " |"
