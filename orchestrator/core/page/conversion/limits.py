"""How much of each training a page shows, so that a page of ten thousand trainings can still be opened."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from orchestrator.core.page.conversion.chain import Chain
from orchestrator.core.page.page import Subject


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits for each training of a page.

    Attributes:
        points: Evaluations, and rewards, of a curve.
        numbers: Numbers that the section reported.
        picture_bytes: Of all pictures of the page together.
        full_sources: Whether each number states the code and the command that made it. Otherwise it names its session:
            the page has the code of each session, and the command of each training.
        shares_settings: Whether settings that all trainings share are stated once for the page.
    """

    points: int
    numbers: int
    picture_bytes: int
    full_sources: bool
    shares_settings: bool


_FEW, _MANY = 60, 1_000
_PICTURE_BYTES, _PICTURE_BYTES_OF_MANY = 4_000_000, 2_400_000
_POINTS_TOGETHER, _NUMBERS_TOGETHER = 200_000, 36_000


def limits_of(trainings: int) -> Limits:
    """The limits of a page with this number of trainings.

    Up to 59 trainings have 1,000 points each. 60 trainings give a file below 6 MB: Plotly takes 1.9 MB, the
    pictures up to 3.2 MB in base64, and the figures and film of one session of section 7.6 fit.
    """
    points = 1_000 if trainings < _FEW else 120
    numbers = max(3, min(100, _NUMBERS_TOGETHER // max(1, trainings)))
    return Limits(
        points=max(20, min(points, _POINTS_TOGETHER // max(1, trainings))),
        numbers=numbers,
        picture_bytes=_PICTURE_BYTES if trainings < _FEW else _PICTURE_BYTES_OF_MANY,
        full_sources=trainings < _FEW,
        shares_settings=trainings >= _MANY,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Tables:
    """Where everything is that a page leaves out, a sentence each.

    Attributes:
        evaluations: Every evaluation.
        numbers: Every number of a section's summary.
    """

    evaluations: str
    numbers: str


def tables_of(subject: Subject, name: str) -> Tables:
    """The tables that a command writes.

    Args:
        name: The section of a run or a section; the campaign. Of a project, any.
    """
    if subject is Subject.CAMPAIGN:
        command, numbers = f"campaign report {name}", "table.csv"
    else:
        command, numbers = f"report {'SECTION' if subject is Subject.PROJECT else name}", "trainings.csv"
    by = f"`python -m orchestrator {command}` writes"
    return Tables(
        evaluations=f"{by} learning_curves.csv with every evaluation.", numbers=f"{by} {numbers} with all of them."
    )


TABLES_OF_SCRIPT = Tables(
    evaluations="events.jsonl in the folder of the training has all of them.",
    numbers="events.jsonl in the folder of the training has all of them.",
)


def left_out_of(chains: Sequence[Chain], limits: Limits, tables: Tables) -> Iterator[str]:
    """What the limits leave out of a page, and where it is, a sentence or two each."""
    curves = [len(series) for one in chains for reports in one.reports.values() for series in reports.series]
    if any(one > limits.points for one in curves):
        yield (
            f"A learning curve shows at most {limits.points} evaluations and {limits.points} rewards, evenly spread: "
            f"{tables.evaluations}"
        )
    if any(len((one.evaluated.numbers if one.evaluated else None) or {}) > limits.numbers for one in chains):
        yield f"A training shows the first {limits.numbers} numbers of its section: {tables.numbers}"
    if limits.shares_settings:
        yield "Settings that all trainings share are stated once and left out of each training."
