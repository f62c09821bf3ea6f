"""How much of each training a page shows, so that a page of ten thousand trainings can still be opened."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from orchestrator.core.page.conversion.chain import Chain


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
_PICTURE_BYTES, _PICTURE_BYTES_OF_MANY = 4_000_000, 200_000
_POINTS_TOGETHER, _NUMBERS_TOGETHER = 200_000, 36_000


def limits_of(trainings: int) -> Limits:
    """The limits of a page with this number of trainings.

    Up to 59 trainings have 1,000 points each. 60 trainings give a file below 6 MB, of which Plotly takes 5.
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


def left_out_of(chains: Sequence[Chain], limits: Limits) -> Iterator[str]:
    """What the limits leave out of a page, a sentence each."""
    curves = [len(series) for one in chains for reports in one.reports.values() for series in reports.series]
    if any(one > limits.points for one in curves):
        yield (
            f"A learning curve shows at most {limits.points} evaluations and {limits.points} rewards, evenly spread: "
            "learning_curves.csv has every evaluation."
        )
    if any(len((one.evaluated.numbers if one.evaluated else None) or {}) > limits.numbers for one in chains):
        yield f"A training shows the first {limits.numbers} numbers of its section: trainings.csv has all of them."
    if limits.shares_settings:
        yield "Settings that all trainings share are stated once and left out of each training."
