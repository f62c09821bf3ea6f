"""`inspect`: show everything about a checkpoint without loading it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli.error_boundary import print_json
from orchestrator.cli.options import AsJson

if TYPE_CHECKING:
    from orchestrator.core.checkpoint.acting import StatisticsFile
    from orchestrator.core.checkpoint.compatibility import Compatibility
    from orchestrator.core.checkpoint.inspection import Inspection, ModelZip
    from orchestrator.kernel.checkpoint.card import CheckpointCard

_Path = Annotated[Path, typer.Argument(help="A model's .zip, or another file of the same checkpoint.")]


def inspect_checkpoint(path: _Path, as_json: AsJson = False) -> int:
    """Show a checkpoint's card, grade and contents, and what a plain load would execute. Nothing is executed.

    Exit 0 if its files agree and a plain load would execute nothing unexpected, else 1.
    """
    from orchestrator.cli.output.console import Console
    from orchestrator.core.checkpoint.inspection import lines_of

    found = _inspect(path)
    code = 0 if found.sound else 1
    Console(sys.stderr if as_json else sys.stdout).say(*lines_of(found))
    if as_json:
        print_json({**found.to_json(), "exit_code": code})
    return code


def _inspect(path: Path) -> Inspection:
    from orchestrator.core.checkpoint.acting import acting_needs
    from orchestrator.core.checkpoint.inspection import Descent, Inspection, descent_of
    from orchestrator.core.errors import BadInput
    from orchestrator.core.session.settling import stem_of_file
    from orchestrator.kernel.checkpoint.card import card_fault, read_card
    from orchestrator.kernel.wire import CARD_SUFFIX, MODEL_SUFFIX
    from orchestrator.stores.checkpoint.sb3_zip import read_model_zip

    stem, folder = stem_of_file(path.name), path.parent
    zip_path, card_path = folder / (stem + MODEL_SUFFIX), folder / (stem + CARD_SUFFIX)
    if not (zip_path.is_file() or card_path.is_file()):
        raise BadInput(f"no checkpoint {zip_path}", remedy="`python -m orchestrator status` lists those in place.")
    card: CheckpointCard | None = None
    faults: list[str] = []
    if card_path.is_file():
        try:
            card = read_card(card_path)
        except ValueError as fault:
            faults.append(str(fault))
    model = read_model_zip(zip_path) if zip_path.is_file() else None
    if card is not None:
        disagreement = card_fault(card, folder)
        faults += [disagreement] if disagreement else []
        faults += _contradictions(card, model)
    needs = acting_needs(card, model.acts_through, _statistics_beside(zip_path)) if model else None
    if needs and needs.fault:
        faults.append(needs.fault)
    return Inspection(
        path=str(zip_path),
        model=model,
        card=card,
        descent=descent_of(card, _cards_beside(folder)) if card else Descent(),
        compatibility=_grade(card, path) if card else None,
        faults=tuple(faults),
        needs=needs,
    )


def _statistics_beside(zip_path: Path) -> StatisticsFile:
    """The statistics file beside a zip, checked against the zip's bytes."""
    from orchestrator.core.checkpoint.acting import StatisticsFile
    from orchestrator.kernel.checkpoint.normalization_file import normalization_path, read_normalization

    path = normalization_path(zip_path)
    if not path.exists():
        return StatisticsFile(path=str(path))
    try:
        return StatisticsFile(path=str(path), saved=read_normalization(zip_path))
    except (OSError, ValueError) as fault:
        return StatisticsFile(path=str(path), fault=str(fault))


def _contradictions(card: CheckpointCard, model: ModelZip | None) -> list[str]:
    """Where the model file and its card disagree."""
    if model is None:
        return []
    if card.is_adopted_model:  # --steps may differ from the file's, and its card states no network
        return []
    pairs = (
        ("algorithm", card.identity.get("algorithm"), model.algorithm),
        ("network", card.identity.get("network"), model.network),
        ("steps", card.steps, model.counters.get("steps")),
    )
    return [f"{what}: the card says {said}, the model file {found}" for what, said, found in pairs if said != found]


def _cards_beside(folder: Path) -> tuple[CheckpointCard, ...]:
    """The readable cards in a folder, newest first."""
    from orchestrator.kernel.checkpoint.card import read_card

    cards = []
    for path in folder.glob("*_checkpoint_*_steps.json"):
        try:
            cards.append(read_card(path))
        except ValueError:
            continue
    return tuple(sorted(cards, key=lambda card: card.steps, reverse=True))


def _grade(card: CheckpointCard, path: Path) -> Compatibility | None:
    """Its compatibility with the section's present card; None without a project or without such a section."""
    from orchestrator.core.errors import BadInput
    from orchestrator.stores.project import find_project
    from orchestrator.stores.section.card_yaml import choose, load_card
    from orchestrator.wiring import compatibility_in_place

    identity = card.identity
    try:
        project = find_project()
        current = load_card(project.cards, str(identity.get("section")))
        if "trials" in path.resolve().parts:  # a trial has an algorithm and a seed of its own
            current = choose(current, algorithm=identity.get("algorithm"), seed=identity.get("seed"))
        return compatibility_in_place(project, current, card)
    except BadInput:
        return None
