"""Judges an ended session: its end reason, exit code and verdict are three separate answers."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from orchestrator.core.session.backend_types import Observation
from orchestrator.core.session.end_reason import EFFECTS, OF_EXIT_CODE, OF_KERNEL, Effect, EndReason
from orchestrator.core.timestamps import parse_timestamp
from orchestrator.kernel.outcome import SectionOutcome, Verdict
from orchestrator.kernel.session.manifest import Manifest
from orchestrator.kernel.wire import MANIFEST_NAME, FileEntry, Ticket

_MOST_CHARS = 2000
"""Longest sentence in a judgement."""
_MOST_WALL_S = 1e9
"""About 30 years."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """How a session ended.

    Attributes:
        exit_code: Of the kernel; None if unknown.
        verdict: Verdict of the section; None if it was not evaluated, or if files are damaged.
        no_claim: Whether the section finished and draws no conclusion, so that no verdict is missing.
        problems: What is wrong with the outputs, one sentence each.
        lacking: The problems that are outputs which could not be fetched. They do not affect the verdict: the
            manifest has the session's numbers.
        error: The kernel's own text of its failure.
        wall_s: Seconds that the session took, from its manifest; None without one.
        score: Best evaluation of the training so far, None if the section reports none.
        numbers: Numbers of its summary, nested keys joined with dots; None if it was not evaluated.
        started_at: When the kernel began, from its manifest; None without one.
        ended_at: When it ended, from its manifest; None without one.
        target_steps: Where the session was to end, None if its section decides.
    """

    end_reason: EndReason
    exit_code: int | None
    verdict: Verdict | None = None
    verdict_reasons: tuple[str, ...] = ()
    no_claim: bool = False
    steps_start: int | None = None
    steps_done: int | None = None
    resumed_from: str | None = None
    resume_grade: str | None = None
    resume_reasons: tuple[str, ...] = ()
    problems: tuple[str, ...] = field(default=())
    lacking: tuple[str, ...] = ()
    error: str | None = None
    wall_s: float | None = None
    score: float | None = None
    numbers: Mapping[str, float] | None = None
    started_at: str | None = None
    ended_at: str | None = None
    target_steps: int | None = None

    @property
    def trained_steps(self) -> int:
        """Steps that the session trained, from its manifest."""
        return max(0, (self.steps_done or 0) - (self.steps_start or 0))


def as_asked(judgement: Judgement) -> Judgement:
    """The judgement of a session that was asked to stop: its early end is what was asked for, no failure.

    A session that pauses at its deadline in the same moment counts as stopped: no further one must follow.
    """
    if judgement.end_reason is EndReason.PAUSED:
        return replace(judgement, end_reason=EndReason.STOPPED)
    failed = EFFECTS[judgement.end_reason] is Effect.TRY_AGAIN
    return replace(judgement, end_reason=EndReason.CANCELLED) if failed else judgement


def judge(
    ticket: Ticket,
    observation: Observation,
    manifest: Manifest | None,
    faults: Sequence[str],
    lacking: Sequence[str] = (),
) -> Judgement:
    """Judge one ended session.

    A state word such as COMPLETE is only a hint: success needs a manifest with this session's stamp and spec.

    Args:
        ticket: What was pushed.
        observation: The last look.
        manifest: The fetched manifest, None without one.
        faults: What is wrong with the fetched files (damaged manifest, wrong digests).
        lacking: Outputs that could not be fetched, one sentence each; the manifest may be among them.
    """
    judgement = _judged(ticket, observation, manifest, faults, lacking)
    return replace(
        judgement,
        target_steps=ticket.spec.get("target_steps"),
        problems=tuple(map(_cut, judgement.problems)),
        resume_reasons=tuple(map(_cut, judgement.resume_reasons)),
    )


def _cut(sentence: str) -> str:
    """A sentence for the ledger and for people: a foreign manifest can hold texts of any length."""
    return sentence if len(sentence) <= _MOST_CHARS else f"{sentence[: _MOST_CHARS - 3]}..."


def _judged(
    ticket: Ticket,
    observation: Observation,
    manifest: Manifest | None,
    faults: Sequence[str],
    lacking: Sequence[str],
) -> Judgement:
    if manifest is None:
        by_code = None if observation.exit_code is None else OF_EXIT_CODE.get(observation.exit_code)
        reason = observation.reason or by_code or EndReason.CRASHED
        return Judgement(
            end_reason=reason,
            exit_code=observation.exit_code,
            problems=(*(() if _names_manifest(lacking) else ("the session wrote no manifest",)), *faults, *lacking),
            lacking=tuple(lacking),
        )
    foreign = foreign_parts(ticket, manifest)
    if foreign:
        return Judgement(
            end_reason=EndReason.STALE_RESULTS,
            exit_code=observation.exit_code,
            problems=(*foreign, *faults, *lacking),
            lacking=tuple(lacking),
        )
    outcome = manifest.outcome
    reason = _reason(outcome, observation)
    problems = list(faults)  # with any of these, the numbers are not used
    if observation.exit_code is not None and observation.exit_code != manifest.exit_code:
        problems.append(f"the process ended with {observation.exit_code}, its manifest says {manifest.exit_code}")
        reason = observation.reason or EndReason.CRASHED
    no_claim = reason is EndReason.FINISHED and not problems and outcome.makes_no_claim(manifest.spec)
    return Judgement(
        end_reason=reason,
        exit_code=manifest.exit_code if observation.exit_code is None else observation.exit_code,
        # Numbers from damaged outputs are not reported.
        verdict=None if problems else outcome.verdict,
        verdict_reasons=outcome.verdict_reasons,
        no_claim=no_claim,
        steps_start=outcome.steps_start,
        steps_done=outcome.steps_done,
        resumed_from=outcome.resumed_from,
        resume_grade=outcome.resume_grade,
        resume_reasons=outcome.resume_reasons,
        problems=(*problems, *lacking),
        lacking=tuple(lacking),
        error=manifest.error,
        wall_s=_wall_s(manifest.timings_s.get("wall")),
        score=finite(outcome.training.get("best_model_score")),
        numbers=None if problems else _numbers(outcome, no_claim),
        started_at=_iso(manifest.started_at),
        ended_at=_iso(manifest.ended_at),
    )


def _reason(outcome: SectionOutcome, observation: Observation) -> EndReason:
    """The end reason in a manifest; a session cannot tell a scheduler's signal from a person's, the backend may."""
    reason = OF_KERNEL[outcome.ending]
    stopped = reason is EndReason.PAUSED and observation.reason is EndReason.STOPPED
    return EndReason.STOPPED if stopped else reason


def _numbers(outcome: SectionOutcome, no_claim: bool) -> dict[str, float] | None:
    return dict(numbers_in(outcome.summary)) if no_claim or outcome.verdict is not None else None


def numbers_in(summary: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, float]]:
    """The finite numbers of a summary, nested keys joined with dots. A search can use each as its objective."""
    for key, value in summary.items():
        if isinstance(value, Mapping):
            yield from numbers_in(value, f"{above}{key}.")
        elif (number := finite(value)) is not None:
            yield f"{above}{key}", number


def finite(value: object) -> float | None:
    """A finite number as a float, None for anything else."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _wall_s(value: float | None) -> float | None:
    """Seconds that a session can have taken, None for anything else: sums over sessions must stay finite.

    To the millisecond, as a manifest states them: a rate over a smaller part of a second could be infinite.
    """
    return round(value, 3) if value is not None and 0 <= value <= _MOST_WALL_S else None


def _names_manifest(lacking: Sequence[str]) -> bool:
    return any(sentence.startswith(f"{MANIFEST_NAME} could not") for sentence in lacking)


def _iso(text: str) -> str | None:
    read = parse_timestamp(text)
    return read.isoformat() if read else None


def foreign_parts(ticket: Ticket, manifest: Manifest) -> tuple[str, ...]:
    """Parts of the stamp, the spec or the inputs in which a manifest differs from the ticket, one sentence each."""
    expected = ticket.stamp()
    wrong = [
        f"{name} is {manifest.stamp.get(name)!r}, pushed was {value!r}"
        for name, value in expected.items()
        if manifest.stamp.get(name) != value
    ]
    if dict(manifest.spec) != dict(ticket.spec):
        wrong.append("the kernel echoes another spec than the one pushed")
    if _by_path(manifest.inputs) != _by_path(ticket.inputs):
        wrong.append("the kernel started from other checkpoint files than the ones pushed")
    return tuple(wrong)


def _by_path(entries: Sequence[FileEntry]) -> dict[str, str]:
    return {entry.path: entry.sha256 for entry in entries}
