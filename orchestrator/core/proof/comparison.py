"""Compares three trainings of one script: straight, straight again, and cut."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from orchestrator.core.proof.ends import (
    OUTPUT,
    FirstDifference,
    TrainingEnd,
    differing_parts,
    first_report_difference,
    first_trace_difference,
    varying_names,
    without_unused,
)
from orchestrator.kernel.checkpoint.resume_grade import EXACT, STATISTICAL


class Finding(StrEnum):
    """The result of a proof."""

    EXACT = "exact"
    NOT_KEPT = "not-kept"
    """The script names something that cannot be kept."""
    DIFFERENT = "different"
    """The cut training ended otherwise than the straight one."""
    NOT_REPRODUCIBLE = "not-reproducible"
    """Two straight trainings ended differently, so a cut one has nothing to be equal to."""


class Same(StrEnum):
    """The result for one part."""

    EQUAL = "equal"
    DIFFERENT = "different"
    NOT_KEPT = "not kept"
    NEVER_CHANGES = "never changes"
    NOT_USED = "not used"


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What the comparison found.

    Attributes:
        rows: Part -> result.
        first: The first difference, None without one.
        not_compared: Reported numbers that vary between equal trainings, so they measure time.
        replaced: Parts that never change although the script assigns to a variable of that name.
        hash_order: Whether only another order of sets makes straight trainings differ; None if not tried.
    """

    finding: Finding
    rows: Mapping[str, Same]
    first: FirstDifference | None = None
    lost: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    not_compared: tuple[str, ...] = ()
    replaced: tuple[str, ...] = ()
    hash_order: bool | None = None

    @property
    def grade(self) -> str:
        """Resume grade that follows."""
        return EXACT if self.finding is Finding.EXACT else STATISTICAL

    def to_json(self) -> dict[str, Any]:
        """Plain JSON form."""
        first = self.first
        return {
            "finding": self.finding.value,
            "grade": self.grade,
            "parts": {name: same.value for name, same in self.rows.items()},
            "first_difference": None
            if first is None
            else {
                "part": first.part,
                "step": first.step,
                "resumed_at": first.resumed_at,
                "values": list(first.values) if first.values else None,
            },
            "not_kept": list(self.lost),
            "reasons": list(self.reasons),
            "not_compared": list(self.not_compared),
        }


def reproducible(straight: TrainingEnd, again: TrainingEnd) -> bool:
    """Whether two straight trainings have equal states at the end and wherever both were recorded."""
    straight, again = without_unused(straight, again)
    return not differing_parts(straight, again) and first_trace_difference(straight, again) is None


def not_reproducible(straight: TrainingEnd, again: TrainingEnd, *, hash_order: bool) -> Comparison:
    """The comparison of two straight trainings that differ.

    Args:
        straight: A training.
        again: Another one.
        hash_order: Whether a third one, with the first one's order of sets, was equal to the first.
    """
    every = straight.parts
    straight, again = without_unused(straight, again)
    differ = differing_parts(straight, again)
    return Comparison(
        finding=Finding.NOT_REPRODUCIBLE,
        rows=_rows(every, straight, differ, ()),
        first=_first(straight, again, differ, frozenset(), ()),
        lost=straight.lost,
        hash_order=hash_order,
    )


def compare(
    straight: TrainingEnd, again: TrainingEnd, cut: TrainingEnd, *, cuts: Sequence[int], assigned: frozenset[str]
) -> Comparison:
    """Compare a cut training with two equal straight ones.

    Args:
        straight: A straight training.
        again: Another one; its state is recorded after the cuts as well.
        cut: The cut training.
        cuts: Steps at which it was cut.
        assigned: Kept names to which the script assigns in its loop.
    """
    every = straight.parts
    straight, again, cut = without_unused(straight, again, cut)
    ignored = varying_names(straight, again)
    differ = [*differing_parts(again, cut), *_other_results(straight, again, cut)]
    first = _first(again, cut, differ, ignored, cuts)
    reports = first_report_difference(again, cut, ignored)
    replaced = tuple(name for name in straight.unchanged if name in assigned)
    finding = Finding.EXACT
    if straight.lost or cut.lost:
        finding = Finding.NOT_KEPT
    if first is not None or replaced or any(grade != EXACT for grade in cut.grades):
        finding = Finding.NOT_KEPT if finding is Finding.NOT_KEPT else Finding.DIFFERENT
    rows = _rows(every, straight, differ, replaced)
    if straight.reports:
        rows["reported numbers"] = Same.EQUAL if reports is None else Same.DIFFERENT
    return Comparison(
        finding=finding,
        rows=rows,
        first=first,
        lost=tuple(dict.fromkeys((*straight.lost, *cut.lost))),
        reasons=cut.reasons,
        not_compared=tuple(sorted(ignored)),
        replaced=replaced,
    )


def _other_results(straight: TrainingEnd, again: TrainingEnd, cut: TrainingEnd) -> list[str]:
    """Results besides the state that are equal in both straight trainings and different in the cut one."""
    names = [
        name for name, digest in straight.results.items() if again.results.get(name) == digest != cut.results.get(name)
    ]
    says_the_same = straight.last_line == again.last_line
    return names + ([OUTPUT] if says_the_same and cut.last_line != straight.last_line else [])


def _rows(
    every: Iterable[str], straight: TrainingEnd, differ: Sequence[str], replaced: Sequence[str]
) -> dict[str, Same]:
    lost = {one.partition(":")[0].partition("[")[0].partition(".")[0] for one in straight.lost}
    rows = {name: Same.EQUAL if name in straight.parts else Same.NOT_USED for name in every}
    rows |= {name: Same.NOT_KEPT for name in straight.parts if name in lost}
    rows |= dict.fromkeys(straight.results, Same.EQUAL)
    rows |= dict.fromkeys(replaced, Same.NEVER_CHANGES)
    return rows | dict.fromkeys(differ, Same.DIFFERENT)


def _first(
    one: TrainingEnd, other: TrainingEnd, differ: Sequence[str], ignored: frozenset[str], cuts: Sequence[int]
) -> FirstDifference | None:
    """The earliest difference: recorded during the training, reported, or at the end."""

    def resumed_at(step: int) -> int | None:
        return max((cut for cut in cuts if cut <= step), default=None)

    state, report = first_trace_difference(one, other), first_report_difference(one, other, ignored)
    # A report of step n is written in the pass that ends at n + 1.
    if state is not None and (report is None or state[0] <= report[0] + one.pass_steps):
        return FirstDifference(part=state[1], step=state[0], resumed_at=resumed_at(state[0]))
    if report is not None:
        step, name, values = report
        return FirstDifference(part=name, step=step, values=values, resumed_at=resumed_at(step))
    if differ:
        return FirstDifference(part=differ[0], step=None, resumed_at=resumed_at(one.steps))
    return None
