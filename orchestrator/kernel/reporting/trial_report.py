"""What is told of a campaign's finished trials to the section that draws its own tables from them.

Writer and reader stand side by side, as in `orchestrator.kernel.wire`.
"""

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
        measures: What else the evaluation told.
        session: Slug of the session that evaluated.
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
        seams: Steps from which a session went on where another had ended.
        wasted_steps: Steps that were trained, lost with their session, and trained again.
        measured_twice: Evaluations of lost stretches that were made again.
        measured_otherwise: Those of them whose score differs the second time: 0 where every resume was exact.
    """

    points: tuple[CurvePoint, ...]
    seams: tuple[int, ...]
    wasted_steps: int
    measured_twice: int
    measured_otherwise: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialReport:
    """One finished trial, traceable: which run and session, which bytes, which command.

    Attributes:
        variant: Label of what its seeds have in common, e.g. `main PPO`.
        results_dir: Outputs of the session that evaluated, absolute.
        manifest_sha256: Of that session's manifest, which holds the digest of every output.
        sessions: Slugs of the sessions that made it, oldest first.
        wall_s: Seconds of those sessions, by their own accounts.
        untold: Those of them that were killed and have no account: their hours are in no number.
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
        command: That made the account.
        unfinished: Label of each other trial -> its state.
    """

    campaign: str
    title: str
    section: str
    command: str
    trials: tuple[TrialReport, ...]
    unfinished: Mapping[str, str]


def report_json(account: CampaignReport) -> dict[str, Any]:
    """The account as plain JSON."""
    return {"format": FORMAT, **asdict(account)}


def read_account(plain: Mapping[str, Any]) -> CampaignReport:
    """The account of `account_json`.

    Raises:
        ValueError: It is not one of this format.
    """
    if plain.get("format") != FORMAT:
        raise ValueError(f"an account of format {FORMAT} is needed, not {plain.get('format')!r}")
    try:
        words = {name: value for name, value in plain.items() if name != "format"}
        return CampaignReport(**{**words, "trials": tuple(_trial(one) for one in plain["trials"])})
    except (KeyError, TypeError) as fault:
        raise ValueError(f"not an account of trials: {fault}") from fault


def write_path(folder: Path, section: str) -> Path:
    """Where the account of a section lies in a report's folder."""
    return folder / f"{section}_trials.json"


def _trial(plain: Mapping[str, Any]) -> TrialReport:
    curve = plain["curve"]
    points = tuple(CurvePoint(**point) for point in curve["points"])
    stitched = StitchedCurve(**{**curve, "points": points, "seams": tuple(curve["seams"])})
    return TrialReport(**{**plain, "sessions": tuple(plain["sessions"]), "curve": stitched})
