"""The checks of `verify`. Each one trains, saves or reads for real: a check of names alone would always pass."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from orchestrator.core.errors import OrchestratorError
from orchestrator.core.messages import Message
from orchestrator.core.run.request import RunRequest
from orchestrator.core.run.summary import RunSummary
from orchestrator.core.section.card import Profile, SectionCard
from orchestrator.core.section.hyperparameters import LearningSettings, PpoSettings, ReplaySettings, RolloutSettings
from orchestrator.pipeline.run.runner import execute
from orchestrator.stores.project import Project, require_writable
from orchestrator.stores.section.card_yaml import load_card
from orchestrator.stores.session.code_bundle import CodeStore
from orchestrator.wiring import assemble, make_backend, models_directory

FIRST_STEPS, SECOND_STEPS = 2_000, 3_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One check and its result."""

    name: str
    passed: bool
    detail: str


class _Silent:
    """A narrator that keeps the lines of a run for the checks."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def report(self, message: Message) -> None:
        self.lines += message.lines

    def progress(self, report: dict[str, Any]) -> None:
        """Not shown: the run is tiny."""

    def quiet(self) -> None:
        """There is no progress display to end."""


def check_all(project: Project, section: str) -> Iterator[Check]:
    """All checks, in order; stops where the later ones need what has failed."""
    try:
        card = load_card(project.cards, section)
        yield Check(name="card", passed=True, detail=f"{section}.yaml, lineage {card.lineage.id[:8]}")
        require_writable(project.results)
        bundle = CodeStore.of(project).bundle(card)
        yield Check(name="code", passed=True, detail=f"{len(bundle.names)} files, digest {bundle.digest[:12]}")
    except OrchestratorError as fault:
        yield Check(name="project", passed=False, detail=str(fault))
        return
    yield _models_check(project, card)
    yield from _round_trip(project, card)


def _models_check(project: Project, card: SectionCard) -> Check:
    view = models_directory(project, card).view()
    if view.faults:
        detail = "; ".join(f"{stem}: {fault}" for stem, fault in view.faults.items())
        return Check(name="checkpoints in place", passed=False, detail=detail)
    detail = f"{len(view.verified)} verified, {view.steps} steps" if view.verified else "none: a run starts from step 0"
    return Check(name="checkpoints in place", passed=True, detail=detail)


def _round_trip(project: Project, card: SectionCard) -> Iterator[Check]:
    tiny = _tiny(card)
    with tempfile.TemporaryDirectory(prefix="orchestrator-verify-") as folder:
        place = replace(project, state=Path(folder))
        try:
            first, _ = _run(place, tiny, FIRST_STEPS)
            yield _check_first(place, tiny, first)
            second, lines = _run(place, tiny, SECOND_STEPS)
            yield _check_second(second, lines)
            yield _check_damage(place, tiny)
        except OrchestratorError as fault:
            yield Check(name="round trip", passed=False, detail=f"{fault} {fault.remedy}".strip())


def _run(place: Project, card: SectionCard, target_steps: int) -> tuple[RunSummary, list[str]]:
    narrator = _Silent()
    with assemble(place, card, make_backend("local", place, card), narrator) as run_context:
        summary = execute(run_context, RunRequest(card=card, profile="quick", target_steps=target_steps))
    return summary, narrator.lines


def _check_first(place: Project, card: SectionCard, summary: RunSummary) -> Check:
    view = models_directory(place, card).view()
    passed = summary.end_reason == "finished" and view.steps == FIRST_STEPS == summary.steps_done
    detail = f"trained to {summary.steps_done}, restored {', '.join(summary.restored) or 'nothing'}"
    if summary.problems:
        detail += f" ({'; '.join(summary.problems)})"
    return Check(name="train, fetch, verify, restore", passed=passed, detail=detail)


def _check_second(summary: RunSummary, lines: list[str]) -> Check:
    resumed = any("Loading checkpoint" in line and f"{FIRST_STEPS}" in line for line in lines)
    passed = (
        resumed
        and summary.end_reason == "finished"
        and summary.steps_start == FIRST_STEPS
        and summary.steps_done == SECOND_STEPS
        and summary.resume_grade == "exact"
    )
    detail = f"{summary.steps_start} -> {summary.steps_done}, grade {summary.resume_grade}"
    return Check(name="next session resumes from it", passed=passed, detail=detail)


def _check_damage(place: Project, card: SectionCard) -> Check:
    """Truncate the newest checkpoint: the one before it must be chosen, and not a start from step 0."""
    directory = models_directory(place, card)
    view = directory.view()
    newest = view.root / "checkpoints" / f"{view.verified[0].stem}.zip"
    newest.write_bytes(newest.read_bytes()[:-1])
    after = directory.view()
    passed = bool(after.faults) and 0 < after.steps < SECOND_STEPS
    return Check(name="damage is detected", passed=passed, detail=f"{newest.name} truncated, {after.steps} steps used")


def _small(settings: LearningSettings | None) -> LearningSettings | None:
    """The same algorithm with rollouts whose length divides the steps of the checks."""
    if settings is None:
        return None
    small = replace(settings, selection_scenarios=2)
    if isinstance(small, PpoSettings):
        return replace(small, n_envs=10, n_steps=10, batch_size=50)
    if isinstance(small, RolloutSettings):
        return replace(small, n_envs=10, n_steps=10)
    if isinstance(small, ReplaySettings):
        return replace(small, learning_starts=200)
    return small


def _tiny(card: SectionCard) -> SectionCard:
    """The same section with little evaluation, and as its schema shortens it: about half a minute."""
    sizes = Profile(
        target_steps=FIRST_STEPS,
        checkpoint_every_steps=1_000,
        evaluate_every_steps=FIRST_STEPS,
        evaluation_scenarios=4,
        deadline_s=600.0,
    )
    small: dict[str, Any] = {card.algorithm: _small(card.hyper_parameters)} if card.algorithm else {}
    own = card.own
    if hasattr(own, "shortened"):
        own = own.shortened()
    changed = {one.name: getattr(own, one.name) for one in fields(own)} if card.own_schema else {}
    algorithms = replace(card.algorithms, **small)
    return replace(card, algorithms=algorithms, profiles={"quick": sizes, "full": sizes}, **changed)
