"""One training in a report, of any section: its sessions, its numbers and its learning curve."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.core.reporting.finished_trial import Finished
from orchestrator.core.run.summary import shown_verdict
from orchestrator.core.session.judgement import numbers_in
from orchestrator.kernel.checkpoint.adopted import adopted_line_in
from orchestrator.kernel.outcome import Verdict
from orchestrator.kernel.reporting.trial_report import StitchedCurve

UNFINISHED = "unfinished"


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """A training: one variant with one seed.

    Attributes:
        variant: Label that its seeds share.
        result: Verdict, `no claim`, or `unfinished`.
        code_digest: Digest of the code of its last session.
        question: Digest of criteria and number of scenarios; empty without criteria.
        session: Slug of its last session.
        sessions: Number of its sessions.
        numbers: What its section reported at the end, nested keys joined with dots.
        proof: Facts of the proof, in its newest checkpoint, that its code resumes exactly; None without one.
        adopted: One sentence on the model from elsewhere with which it began; empty without one.
        target_steps: Of the session with its result, None if its section decides.
    """

    variant: str
    profile: str
    seed: int | None
    lineage_id: str
    result: str
    steps: int | None
    session: str
    sessions: int
    resume_grade: str
    wall_s: float
    code_digest: str
    question: str
    numbers: Mapping[str, float]
    curve: StitchedCurve
    proof: Mapping[str, Any] | None = None
    adopted: str = ""
    target_steps: int | None = None

    @property
    def group(self) -> tuple[str, str, str, str, int | None]:
        """Trainings that may be averaged: same variant, size, code, question and target."""
        return self.variant, self.profile, self.code_digest, self.question, self.target_steps

    @property
    def counts(self) -> bool:
        """Whether its numbers may be used: it is finished and not invalid."""
        return self.result not in (UNFINISHED, Verdict.INVALID.value)

    @property
    def measured(self) -> dict[str, float]:
        """Its numbers, with the last and the best score of its learning curve."""
        scores = [point.score for point in self.curve.points]
        of_curve = {"curve.last_score": scores[-1], "curve.best_score": max(scores)} if scores else {}
        return {**self.numbers, **of_curve}


def training_of(finished: Finished) -> Training:
    """A finished trial of a campaign as a training."""
    trial, record = finished.trial, finished.evaluating
    return Training(
        variant=trial.variant.label,
        profile=trial.variant.profile,
        seed=trial.seed,
        lineage_id=trial.lineage_id,
        result=shown_verdict(record.verdict, record.no_claim),
        steps=record.steps_done,
        target_steps=record.target_steps,
        session=record.slug,
        sessions=len(finished.sessions),
        resume_grade=finished.resume_grade,
        wall_s=finished.wall_s,
        code_digest=record.ticket["bundle_digest"],
        question=trial.question,
        numbers=dict(numbers_in(finished.manifest.outcome.summary)),
        curve=finished.curve,
        adopted=adopted_line_in(reason for one in finished.sessions for reason in one.resume_reasons),
    )


def variant_labels(section: str, lineages: Sequence[Mapping[str, Any]]) -> list[str]:
    """A label for each lineage: its algorithm, and the values in which it differs from others of that algorithm.

    Args:
        section: The label of a lineage without an algorithm begins with it.
        lineages: As in the sessions' specs; the seed is not part of a label.
    """
    flat = [dict(_leaves({key: value for key, value in one.items() if key != "seed"})) for one in lineages]
    labels: list[str] = []
    for one in flat:
        peers = [other for other in flat if other.get("algorithm") == one.get("algorithm")]
        differing = [key for key in sorted(one) if any(other.get(key) != one[key] for other in peers)]
        name = str(one.get("algorithm") or section)
        labels.append(", ".join([name, *(f"{key}={_text(one[key])}" for key in differing)]))
    return labels


def _leaves(value: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for key, below in value.items():
        if isinstance(below, Mapping):
            yield from _leaves(below, f"{above}{key}.")
        else:
            yield f"{above}{key}", below


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
