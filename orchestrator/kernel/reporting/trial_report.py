"""The report on a campaign's finished trials, from which a section makes its own tables: writer and reader."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class CurvePoint:
    """One evaluation during training.

    Attributes:
        steps: Environment steps done.
        score: Higher is better.
        measures: Other numbers of the evaluation.
        session: Slug of the session that made it.
    """

    steps: int
    score: float
    measures: Mapping[str, float]
    session: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StitchedCurve:
    """The evaluations of a whole chain of sessions, each step once.

    Attributes:
        points: Oldest first.
        seams: Steps at which a session continued another one.
        wasted_steps: Steps that were trained, lost with their session, and trained again.
        measured_twice: Evaluations that were repeated because their session was lost.
        measured_otherwise: Repeated evaluations with another score; 0 if every resume was exact.
    """

    points: tuple[CurvePoint, ...]
    seams: tuple[int, ...]
    wasted_steps: int
    measured_twice: int
    measured_otherwise: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialReport:
    """One finished trial, with the run, sessions, command and digests that produced it.

    Attributes:
        variant: Label that its seeds share, e.g. `main PPO`.
        results_dir: Outputs of the session with the final evaluation, absolute path.
        manifest_sha256: Of that session's manifest, which holds the digest of every output.
        sessions: Slugs of its sessions, oldest first.
        wall_s: Seconds of those sessions, from their manifests.
        untold: Number of sessions without a manifest (killed); their time is not in `wall_s`.
    """

    group: str
    variant: str
    seed: int
    lineage_id: str
    run_id: str
    session: str
    sessions: tuple[str, ...]
    resume_grade: str
    command: str
    code_digest: str
    policy_digest: str
    results_dir: str
    manifest_sha256: str
    wall_s: float
    untold: int
    curve: StitchedCurve


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignReport:
    """All finished trials of one section in a campaign.

    Attributes:
        command: Command that made the report.
        unfinished: Label of each unfinished trial -> its state.
    """

    campaign: str
    title: str
    section: str
    command: str
    trials: tuple[TrialReport, ...]
    unfinished: Mapping[str, str]


def report_json(report: CampaignReport) -> dict[str, Any]:
    """The report as plain JSON."""
    return {"format": FORMAT, **asdict(report)}


def read_account(plain: Mapping[str, Any]) -> CampaignReport:
    """Read the JSON of `report_json`.

    Raises:
        ValueError: It is not a report of this format.
    """
    if plain.get("format") != FORMAT:
        raise ValueError(f"trial report of format {plain.get('format')!r}, this code reads {FORMAT}")
    try:
        fields = {name: value for name, value in plain.items() if name != "format"}
        return CampaignReport(**{**fields, "trials": tuple(_trial(one) for one in plain["trials"])})
    except (KeyError, TypeError) as fault:
        raise ValueError(f"not a trial report: {fault}") from fault


def write_path(folder: Path, section: str) -> Path:
    """Path of a section's trial report in a report folder."""
    return folder / f"{section}_trials.json"


def _trial(plain: Mapping[str, Any]) -> TrialReport:
    curve = plain["curve"]
    points = tuple(CurvePoint(**point) for point in curve["points"])
    stitched = StitchedCurve(**{**curve, "points": points, "seams": tuple(curve["seams"])})
    return TrialReport(**{**plain, "sessions": tuple(plain["sessions"]), "curve": stitched})
