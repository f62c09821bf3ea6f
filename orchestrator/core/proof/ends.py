"""How a training of a proof ended, and where two of them differ first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from orchestrator.kernel.training.kept_state.comparison import is_generator

STEPS = "number of steps"
OUTPUT = "last line of the output"


@dataclass(frozen=True, slots=True, kw_only=True)
class TracePoint:
    """Digests of the state at one step.

    Attributes:
        parts: Part -> digest, in the order in which the script named them.
    """

    step: int
    parts: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingEnd:
    """The end of one training.

    Attributes:
        steps: Steps of its last checkpoint.
        parts: Part of the last checkpoint -> digest.
        reports: What `run.report` wrote, one mapping for each line.
        results: Other files in `run.folder` -> sha256.
        last_line: Last line of standard output of its last process.
        lost: What the checkpoint names as not kept.
        grades: Grade of each resume.
        reasons: Messages why a resume was not exact.
        trace: Digests during the training, in the order in which they were written.
        conditions: Settings, versions, device and arguments; see `orchestrator.kernel.training.proof`.
    """

    steps: int
    parts: Mapping[str, str]
    reports: Sequence[Mapping[str, Any]] = ()
    results: Mapping[str, str] = field(default_factory=dict)
    last_line: str = ""
    lost: tuple[str, ...] = ()
    grades: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    trace: Sequence[TracePoint] = ()
    conditions: Mapping[str, Any] = field(default_factory=dict)

    @property
    def pass_steps(self) -> int:
        """Steps of the first pass of its loop, 1 if they are not known."""
        return next((point.step for point in self.trace if point.step > 0), 1)

    @property
    def unchanged(self) -> tuple[str, ...]:
        """Kept parts that end as they began, of a training that began at step 0."""
        if len(self.trace) < 2 or self.trace[0].step:
            return ()
        before, after = self.trace[0].parts, self.trace[-1].parts
        return tuple(name for name in before if before[name] == after.get(name))

    @property
    def unused_generators(self) -> frozenset[str]:
        """Global random generators from which the training draws nothing; without a seed each process has others."""
        if len(self.trace) < 2:
            return frozenset()
        before, after = self.trace[0].parts, self.trace[-1].parts
        return frozenset(name for name in before if is_generator(name) and before[name] == after.get(name))

    def without(self, names: frozenset[str]) -> TrainingEnd:
        """The same end without some parts."""

        def rest(parts: Mapping[str, str]) -> dict[str, str]:
            return {name: digest for name, digest in parts.items() if name not in names}

        trace = tuple(TracePoint(step=point.step, parts=rest(point.parts)) for point in self.trace)
        return replace(self, parts=rest(self.parts), trace=trace)


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstDifference:
    """The earliest place at which two trainings differ.

    Attributes:
        part: A part of the state, or a reported number.
        step: Steps done there; None if only the ends are known.
        values: The two reported numbers, if it is one.
        resumed_at: Steps at which the second training was cut before; None if it was not.
    """

    part: str
    step: int | None
    values: tuple[Any, Any] | None = None
    resumed_at: int | None = None


def without_unused(*ends: TrainingEnd) -> tuple[TrainingEnd, ...]:
    """The ends without the random generators that none of these trainings uses."""
    unused = frozenset.intersection(*(end.unused_generators for end in ends))
    return tuple(end.without(unused) for end in ends)


def differing_parts(one: TrainingEnd, other: TrainingEnd) -> tuple[str, ...]:
    """Parts of the final states that differ, the number of steps included."""
    names = [*one.parts, *(name for name in other.parts if name not in one.parts)]
    differ = [name for name in names if one.parts.get(name) != other.parts.get(name)]
    return tuple(differ + ([STEPS] if one.steps != other.steps else []))


def first_trace_difference(one: TrainingEnd, other: TrainingEnd) -> tuple[int, str] | None:
    """Step and part of the first digest of `other` that differs from that of `one` at the same step.

    A part that only one of them has there, e.g. a file before the first save, is not compared.
    """
    known = {point.step: point.parts for point in one.trace}
    for point in other.trace:
        for name, digest in known.get(point.step, {}).items():
            if name in point.parts and point.parts[name] != digest:
                return point.step, name
    return None


def first_report_difference(
    one: TrainingEnd, other: TrainingEnd, ignored: frozenset[str] = frozenset()
) -> tuple[int, str, tuple[Any, Any]] | None:
    """Step, name and values of the first reported number that differs.

    Args:
        one: A training.
        other: Another.
        ignored: Names that are not compared, e.g. of a number that measures time.
    """
    for first, second in zip(one.reports, other.reports, strict=False):
        for name in (*first, *(name for name in second if name not in first)):
            if name not in ignored and first.get(name) != second.get(name):
                return int(first.get("step", 0)), name, (first.get(name), second.get(name))
    if len(one.reports) != len(other.reports):
        longer = max(one.reports, other.reports, key=len)
        step = int(longer[min(len(one.reports), len(other.reports))].get("step", 0))
        return step, "number of reports", (len(one.reports), len(other.reports))
    return None


def varying_names(one: TrainingEnd, other: TrainingEnd) -> frozenset[str]:
    """Names of reported numbers that differ between two trainings that ought to be equal."""
    return frozenset(
        name
        for first, second in zip(one.reports, other.reports, strict=False)
        for name in {*first, *second}
        if first.get(name) != second.get(name)
    )
