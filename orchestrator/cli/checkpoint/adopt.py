"""`adopt`: a learned model from elsewhere begins a training here."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestrator.cli.error_boundary import print_json
from orchestrator.cli.options import Algorithm, AsJson, Seed, Set, TrainingOptions

if TYPE_CHECKING:
    from orchestrator.core.checkpoint.adoption import ForeignModel
    from orchestrator.core.section.card import SectionCard
    from orchestrator.kernel.checkpoint.card import CheckpointCard
    from orchestrator.stores.project import Project

_Model = Annotated[Path, typer.Argument(help="A .zip of stable-baselines3, or a folder of RL Zoo.")]
_Section = Annotated[str | None, typer.Argument(help="Section; may be left out if the project has only one.")]
_Steps = Annotated[
    int | None,
    typer.Option("--steps", metavar="N", help="Steps that the model has already; default: as the file states."),
]
_Script = Annotated[
    Path | None, typer.Option("--script", help="A script that trains alone (`python train.py`), without a project.")
]


def adopt(
    context: typer.Context,
    model: _Model,
    section: _Section = None,
    steps: _Steps = None,
    script: _Script = None,
    algorithm: Algorithm = None,
    seed: Seed = None,
    settings: Set = None,
    as_json: AsJson = False,
) -> int:
    """Start a training from the weights of a learned model. Its grade is weights-only from there on.

    The file is checked and copied, never unpickled. The first session compares its tensors with the network before it
    trains. An existing training is never overwritten.
    """
    from orchestrator.cli.output.console import Console
    from orchestrator.core.checkpoint.adoption import steps_of
    from orchestrator.core.errors import BadInput
    from orchestrator.stores.adoption.foreign_model import read_foreign_model

    if script is not None and (section, algorithm, seed, settings) != (None, None, None, None):
        raise BadInput("--script trains without a section", remedy="Leave out the section and its options.")
    console = Console(sys.stderr if as_json else sys.stdout)
    found = read_foreign_model(model)
    begin = steps_of(found, steps)
    console.say(*found.notes)
    if steps is None:
        console.say(f"--steps is not given: {found.file} states {begin} steps")
    if script is not None:
        card, place = _into_folder(found, begin, script)
        then = f"Train it: python {script}"
        subject: dict[str, Any] = {"script": str(script)}
    else:
        options = TrainingOptions(
            context=context, section=section or _only_section(), algorithm=algorithm, seed=seed, settings=settings
        )
        card, place, then = _into_section(found, begin, options, console, as_json)
        subject = {"section": options.section}
    console.say(f"{card.stem} is in place in {place}", f"Its training is {_line(card)}", then)
    if as_json:
        print_json({**subject, "adopted": dict(card.adopted or {}), "grade": card.lowest_grade, "folder": place})
    return 0


def _line(card: CheckpointCard) -> str:
    from orchestrator.kernel.checkpoint.adopted import adopted_line

    return adopted_line(card.adopted or {})


def _only_section() -> str:
    from orchestrator.core.errors import BadInput
    from orchestrator.stores.project import find_project
    from orchestrator.stores.section.card_yaml import card_names

    names = card_names(find_project().cards)
    if len(names) != 1:
        raise BadInput(
            f"the section is missing; this project has {', '.join(names) or 'none'}",
            remedy="Name it after the model: `python -m orchestrator adopt MODEL.zip SECTION`; "
            "or give --script FILE for a script that trains alone.",
        )
    return names[0]


def _into_section(
    found: ForeignModel, steps: int, options: TrainingOptions, console: Any, as_json: bool
) -> tuple[CheckpointCard, str, str]:
    import secrets
    from datetime import UTC, datetime
    from tempfile import TemporaryDirectory

    from orchestrator.core.checkpoint.adoption import adopted_card, require_algorithm, section_identity
    from orchestrator.pipeline.control.adopt import adopt_checkpoint
    from orchestrator.stores.adoption.placing import stage
    from orchestrator.stores.project import find_project
    from orchestrator.wiring import LOCAL, assemble, make_backend

    project = find_project()
    card = options.card(project)
    require_algorithm(found, card)
    checkpoint = adopted_card(
        found,
        scenario=card.scenario,
        steps=steps,
        identity=section_identity(card),
        section=card.section,
        lineage_id=card.lineage.id,
        nonce=secrets.token_hex(16),
        now=datetime.now(UTC),
    )
    console.say(*options.ignored_variables())
    with (
        TemporaryDirectory(prefix="orchestrator-adopt-") as folder,
        assemble(project, card, make_backend(LOCAL, project, card), console) as run_context,
    ):
        inventory = adopt_checkpoint(run_context, card, stage(Path(folder), found, checkpoint))
    console.say(*_reached(card, steps))
    return (
        checkpoint,
        _shown(inventory.root, project),
        f"Train it: python -m orchestrator run {card.section}" + (", with the same options" if card.trial else ""),
    )


def _reached(card: SectionCard, steps: int) -> list[str]:
    """A line for each profile whose target the model's steps reach already."""
    return [
        f"The target of the profile {name} ({one.target_steps} steps) is reached with {steps} steps: give `run` "
        "--add-steps M, or `adopt` a smaller --steps"
        for name, one in card.profiles.items()
        if one.target_steps is not None and steps >= one.target_steps
    ]


def _shown(path: Path, project: Project) -> str:
    return path.relative_to(project.state).as_posix() if path.is_relative_to(project.state) else path.as_posix()


def _into_folder(found: ForeignModel, steps: int, script: Path) -> tuple[CheckpointCard, str]:
    import secrets
    from datetime import UTC, datetime

    from orchestrator.core.checkpoint.adoption import adopted_card
    from orchestrator.core.errors import BadInput
    from orchestrator.kernel.training.alone import folder_of, name_of
    from orchestrator.kernel.wire import digest_of
    from orchestrator.stores.adoption.placing import place_alone

    if not script.is_file():
        raise BadInput(f"there is no script {script}", remedy="Name the file that you run with `python FILE`.")
    path, chosen = script.absolute(), os.environ.get("ORCHESTRATOR_FOLDER")
    name, folder = name_of(path), folder_of(path, Path(chosen) if chosen else None)
    card = adopted_card(
        found,
        scenario=name,
        steps=steps,
        identity={"section": name},
        section=name,
        lineage_id=digest_of({"script": name, "adopted": found.sha256}),
        nonce=secrets.token_hex(16),
        now=datetime.now(UTC),
    )
    place_alone(folder, found, card)
    return card, folder.as_posix()
