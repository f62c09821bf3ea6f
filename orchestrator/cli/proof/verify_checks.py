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
from orchestrator.core.section.overrides import counts_steps
from orchestrator.kernel.algorithms.hyperparameters import HyperParameters
from orchestrator.kernel.algorithms.registry import Learns
from orchestrator.kernel.checkpoint.card import CheckpointCard
from orchestrator.kernel.checkpoint.resume_grade import is_below
from orchestrator.kernel.outcome import SectionOutcome
from orchestrator.pipeline.run.runner import execute
from orchestrator.stores.checkpoint.models_dir import ModelsDirectory
from orchestrator.stores.project import Project, require_writable
from orchestrator.stores.section.card_yaml import card_names, load_card
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
    """A narrator that shows nothing: the checks read files, not lines of a log."""

    def report(self, message: Message) -> None:
        """Not shown."""

    def progress(self, report: dict[str, Any]) -> None:
        """Not shown: the run is tiny."""

    def quiet(self) -> None:
        """There is no progress display to end."""


def check_project(project: Project, section: str | None) -> Iterator[Check]:
    """All checks of one section, or of every section of the project; of several, each check names its section."""
    sections = (section,) if section else card_names(project.cards)
    if not sections:
        yield Check(name="project", passed=False, detail=f"{project.cards} has no section card")
    for one in sections:
        of = f"{one}: " if len(sections) > 1 else ""
        yield from (replace(check, name=f"{of}{check.name}") for check in check_section(project, one))


def check_section(project: Project, section: str) -> Iterator[Check]:
    """The checks of a section, in order; stops where the later ones need what has failed."""
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
    if not counts_steps(card):
        yield Check(name="round trip", passed=True, detail="not needed: it counts no steps and saves no checkpoint")
        return
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
        models = models_directory(place, tiny)
        try:
            first, _ = _run(place, tiny, FIRST_STEPS)
            saved = models.view().latest
            yield _check_first(tiny, saved, first)
            second, outcome = _run(place, tiny, SECOND_STEPS)
            yield _check_second(tiny, saved, second, outcome)
            yield _check_damage(models)
        except OrchestratorError as fault:
            yield Check(name="round trip", passed=False, detail=f"{fault} {fault.remedy}".strip())


def _run(place: Project, card: SectionCard, target_steps: int) -> tuple[RunSummary, SectionOutcome | None]:
    """Train to a target; returns the summary, and the outcome in the manifest of the last session."""
    with assemble(place, card, make_backend("local", place, card), _Silent()) as run_context:
        summary = execute(run_context, RunRequest(card=card, profile="quick", target_steps=target_steps))
        manifest, _ = run_context.results.manifest(place.state / (summary.results_dir or ""))
    return summary, manifest.outcome if manifest else None


def _reached(card: SectionCard, steps: int, target_steps: int) -> bool:
    """Whether a training ended at its target: at most one rollout beyond it."""
    return target_steps <= steps <= target_steps + card.overshoot_steps("quick")


def _check_first(card: SectionCard, saved: CheckpointCard | None, summary: RunSummary) -> Check:
    passed = (
        saved is not None
        and summary.end_reason == "finished"
        and saved.steps == summary.steps_done
        and _reached(card, summary.steps_done, FIRST_STEPS)
    )
    detail = f"trained to {summary.steps_done}, restored {', '.join(summary.restored) or 'nothing'}"
    if summary.problems:
        detail += f" ({'; '.join(summary.problems)})"
    return Check(name="train, fetch, verify, restore", passed=passed, detail=detail)


def _check_second(
    card: SectionCard, saved: CheckpointCard | None, summary: RunSummary, outcome: SectionOutcome | None
) -> Check:
    """The session resumed the saved checkpoint, at no lower grade than was expected before the push."""
    name = "next session resumes from it"
    if saved is None or outcome is None:
        return Check(name=name, passed=False, detail="there is no checkpoint, or the session left no manifest")
    grade, expected = summary.resume_grade, summary.expected_grade
    kept = grade is not None and expected is not None and not is_below(grade, expected)
    named = outcome.resumed_from == saved.digest
    passed = (
        named
        and kept
        and summary.end_reason == "finished"
        and outcome.steps_start == saved.steps
        and _reached(card, summary.steps_done, SECOND_STEPS)
    )
    detail = f"{outcome.steps_start} -> {summary.steps_done}, grade {grade}"
    if not named:
        detail += f"; its manifest does not name {saved.stem} as the checkpoint that it resumed"
    if not kept:
        detail += f"; the checkpoint promised {expected}"
    return Check(name=name, passed=passed, detail=detail)


def _check_damage(models: ModelsDirectory) -> Check:
    """Truncate the newest checkpoint: the one before it must be chosen, and not a start from step 0."""
    name = "damage is detected"
    before = models.view()
    if before.latest is None:
        return Check(name=name, passed=False, detail="no checkpoint to damage")
    newest = before.root / "checkpoints" / f"{before.latest.stem}.zip"
    newest.write_bytes(newest.read_bytes()[:-1])
    after = models.view()
    passed = bool(after.faults) and 0 < after.steps < before.steps
    return Check(name=name, passed=passed, detail=f"{newest.name} truncated, {after.steps} steps used")


def _small(settings: HyperParameters | None) -> HyperParameters | None:
    """The same algorithm with rollouts whose length divides the steps of the checks."""
    if settings is None:
        return None
    changes: dict[str, Any] = {"selection_scenarios": 2}
    if settings.entry.learns is Learns.ROLLOUTS:
        changes |= {"n_envs": 10, "n_steps": 10}
        if settings.value("batch_size") is not None:
            changes["batch_size"] = 50
    elif settings.entry.has_replay:
        changes["learning_starts"] = 200
    return replace(settings, **changes)


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
