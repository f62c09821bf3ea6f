"""What `status` shows of each models directory. One that cannot be read does not hide the others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orchestrator.core.checkpoint.compatibility import Compatibility
    from orchestrator.core.checkpoint.inventory import CheckpointInventory
    from orchestrator.core.section.card import SectionCard
    from orchestrator.stores.project import Project


def model_rows(project: Project) -> list[dict[str, Any]]:
    """One row for each models directory, trials included; a row with a `problem` has no other findings."""
    from orchestrator.core.errors import OrchestratorError
    from orchestrator.stores.section.card_yaml import card_names, load_card
    from orchestrator.wiring import present_digest

    rows: list[dict[str, Any]] = []
    code_digest = present_digest(project)
    for section in card_names(project.cards):
        try:
            card = load_card(project.cards, section)
            places = (None, *project.trials(card.directory))
        except (OrchestratorError, OSError, ValueError) as fault:
            rows.append(_problem(section, None, fault, card=True))
            continue
        rows += [_row(project, card, trial, code_digest) for trial in places]
    return rows


def model_lines(rows: list[dict[str, Any]]) -> list[str]:
    """The rows as text."""
    return [line for row in rows for line in _lines(row)]


def _problem(section: str, trial: str | None, fault: Exception, *, card: bool = False) -> dict[str, Any]:
    remedy = getattr(fault, "remedy", "")
    return {"section": section, "trial": trial, "problem": str(fault), "remedy": remedy, "card": card}


def _row(
    project: Project, card: SectionCard, trial: str | None, code_digest: Callable[[SectionCard], str]
) -> dict[str, Any]:
    from orchestrator.core.errors import OrchestratorError
    from orchestrator.core.section.overrides import counts_steps
    from orchestrator.stores.checkpoint.models_dir import ModelsDirectory
    from orchestrator.stores.proof.records import proof_of_code, section_records

    try:
        view = ModelsDirectory(project.models(card.directory, trial), card.scenario).view()
        found = _grade(project, card, view, trial, code_digest)
        void = bool(section_records(project.own, card.section)) and (
            proof_of_code(project.own, card, code_digest(card)) is None
        )
    except (OrchestratorError, OSError, ValueError) as fault:
        return _problem(card.section, trial, fault)
    identity = view.verified[0].identity if view.verified else {}
    return {
        "section": card.section,
        "trial": trial,
        "algorithm": identity.get("algorithm"),
        "seed": identity.get("seed"),
        "steps": view.steps,
        "resume": found.to_json() if found else None,
        "lowest_grade": view.verified[0].lowest_grade if view.verified else None,
        "adopted": dict(view.verified[0].adopted) if view.verified and view.verified[0].adopted else None,
        "proof": dict(view.verified[0].proof) if view.verified and view.verified[0].proof else None,
        "proof_is_void": void,
        "checkpoints": [checkpoint.stem for checkpoint in view.verified],
        "normalized": [checkpoint.stem for checkpoint in view.verified if checkpoint.has_normalization],
        "faults": dict(view.faults),
        "own_files": list(view.own),
        "archived": list(view.archived),
        "models_dir": view.root.as_posix(),
        "counts_steps": counts_steps(card),
        "profiles": {name: profile.target_steps for name, profile in card.profiles.items()},
    }


def _grade(
    project: Project,
    card: SectionCard,
    view: CheckpointInventory,
    trial: str | None,
    code_digest: Callable[[SectionCard], str],
) -> Compatibility | None:
    """How the next run would resume; None without a checkpoint, or if the card no longer declares its algorithm."""
    from dataclasses import replace

    from orchestrator.core.errors import BadInput
    from orchestrator.kernel.schema import SETTINGS
    from orchestrator.stores.section.card_yaml import choose
    from orchestrator.wiring import compatibility_in_place

    if view.latest is None:
        return None
    identity = view.latest.identity
    try:
        chosen = choose(card, algorithm=identity.get("algorithm"), seed=identity.get("seed")) if trial else card
        if trial and (settings := identity.get("own", {}).get(SETTINGS)) is not None:
            chosen = replace(chosen, settings=settings)
        return compatibility_in_place(project, chosen, view.latest, code_digest)
    except BadInput:
        return None


def _lines(row: dict[str, Any]) -> Iterator[str]:
    from orchestrator.core.checkpoint.inventory import shown_name
    from orchestrator.core.proof.record import proof_line
    from orchestrator.kernel.checkpoint.adopted import adopted_line

    trial = f" trial {row['trial']}" if row["trial"] else ""
    if row.get("problem"):
        what = "its models cannot be shown" if row["trial"] or not row["card"] else "its card cannot be used"
        yield f"{row['section']}{trial}: {what}"
        yield from (f"  ✗ {shown_name(line)}" for line in row["problem"].splitlines())
        if row["remedy"]:
            yield f"  {row['remedy']}"
        return
    if row["trial"]:
        algorithm = f"{row['algorithm']}, " if row["algorithm"] else ""
        trial += " (nothing saved yet)" if row["seed"] is None else f" ({algorithm}seed {row['seed']})"
    targets = ", ".join(f"{name} {target}" for name, target in row["profiles"].items() if target is not None)
    shown = f"targets: {targets}" if targets else "no target"
    if row["counts_steps"] or row["steps"]:
        yield f"{row['section']}{trial}: {row['steps']} steps in place ({shown})"
    else:
        yield f"{row['section']}{trial}: no steps and no checkpoints, one session runs to its end"
    yield from (f"  ✓ {stem}{' (normalized)' * (stem in row['normalized'])}" for stem in row["checkpoints"])
    yield from (f"  ✗ {shown_name(stem)}: {shown_name(fault)}" for stem, fault in row["faults"].items())
    if row.get("adopted"):
        yield f"  {adopted_line(row['adopted'])}"
    if row.get("proof"):
        yield f"  {proof_line(row['proof'])}"
    if row.get("proof_is_void"):
        yield f"  its proof of exact resume is of other code: python -m orchestrator prove {row['section']}"
    if row["resume"]:
        yield f"  would resume: {row['resume']['grade']} (its own chain: {row['lowest_grade']})"
        yield from (f"    - {found['reason']} ({found['grade']})" for found in row["resume"]["reasons"])
    yield from _own_lines(row)


def _own_lines(row: dict[str, Any]) -> Iterator[str]:
    from orchestrator.core.checkpoint.inventory import OWN_FILES_ADVICE, named

    own, archived = row.get("own_files", ()), row.get("archived", ())
    if own:
        yield f"  {len(own)} file(s) of your own in {row['models_dir']}, kept and not used for training:"
        yield from (f"  {line}" for line in named(own))
        yield f"    {OWN_FILES_ADVICE}"
    if archived:
        yield f"  {len(archived)} file(s) kept in the archive:"
        yield from (f"  {line}" for line in named(archived))
