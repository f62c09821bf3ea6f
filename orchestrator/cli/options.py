"""The options that several commands share, declared once, and the request that they make together."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from orchestrator.core.run.request import RunRequest
    from orchestrator.core.section.card import SectionCard
    from orchestrator.core.session.backend_types import Capabilities
    from orchestrator.stores.project import Project

Section = Annotated[str, typer.Argument(help="Section, for example section_7_6.")]
Quick = Annotated[
    bool, typer.Option("--quick/--full", envvar="ORCHESTRATOR_QUICK", help="Quick or full profile of the section.")
]
BackendName = Annotated[
    str | None, typer.Option("--backend", envvar="ORCHESTRATOR_BACKEND", help="local or kaggle; default: the card's.")
]
Algorithm = Annotated[
    str | None,
    typer.Option(
        "--algorithm",
        envvar="ORCHESTRATOR_ALGORITHM",
        help="DQN, QRDQN, PPO, A2C, SAC or TD3, with a models directory of its own.",
    ),
]
Seed = Annotated[
    int | None,
    typer.Option("--seed", envvar="ORCHESTRATOR_SEED", help="Training seed, with a models directory of its own."),
]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="Another value of the section's card, e.g. environment.decision_s=5"
    ),
]
TargetSteps = Annotated[
    int | None, typer.Option("--target-steps", envvar="ORCHESTRATOR_TARGET_STEPS", help="Total steps to reach.")
]
AddSteps = Annotated[int | None, typer.Option("--add-steps", help="Steps to train beyond those already done.")]
DeadlineS = Annotated[
    float | None,
    typer.Option("--deadline-s", envvar="ORCHESTRATOR_DEADLINE_S", help="Seconds that one session may take."),
]
Fresh = Annotated[bool, typer.Option("--fresh", help="Archive the checkpoints and start over from step 0.")]
Detach = Annotated[
    bool, typer.Option("--detach", help="Leave as soon as a session is in flight; `attach` goes on with it.")
]
AcceptGrade = Annotated[
    str | None,
    typer.Option("--accept-grade", help="weights-only: begin a new training from the weights that are in place."),
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on the last line of stdout.")]


def build_request(
    project: Project,
    section: str,
    *,
    quick: bool,
    algorithm: str | None,
    seed: int | None,
    target_steps: int | None,
    add_steps: int | None,
    fresh: bool,
    deadline_s: float | None,
    context: typer.Context,
    detach: bool = False,
    accept_grade: str | None = None,
    settings: list[str] | None = None,
) -> RunRequest:
    """The request of a command line, flags before environment.

    Args:
        context: Of the command, to tell a typed flag from a variable.
        settings: `KEY=VALUE` words that replace values of the card.

    Raises:
        BadInput: The section or a value is wrong.
    """
    from orchestrator.cli.option_effects import from_variable, require_size_settings
    from orchestrator.core.run.request import RunRequest
    from orchestrator.stores.section.card_yaml import read_settings

    profile, values = "quick" if quick else "full", read_settings(settings)
    set_target = f"profiles.{profile}.target_steps" in values
    # A flag was typed, and the variable was only there.
    if from_variable(context, "target_steps") and (add_steps is not None or set_target):
        target_steps = None
    if from_variable(context, "deadline_s") and f"profiles.{profile}.deadline_s" in values:
        deadline_s = None
    typed = {"--target-steps": target_steps, "--add-steps": add_steps, "--deadline-s": deadline_s}
    require_size_settings(values, profile, typed)
    return RunRequest(
        card=chosen_card(project, section, context, algorithm=algorithm, seed=seed, settings=settings),
        profile=profile,
        target_steps=target_steps,
        add_steps=add_steps,
        fresh=fresh,
        deadline_s=deadline_s,
        detach=detach,
        accept_grade=accept_grade,
    )


def remarks_on(
    project: Project,
    section: str,
    context: typer.Context,
    request: RunRequest,
    settings: list[str] | None,
    limits: Capabilities,
    backend: str,
) -> list[str]:
    """A line for each option of a `run` or `render` that changes nothing."""
    from orchestrator.cli.option_effects import remarks
    from orchestrator.stores.section.card_yaml import load_card, read_settings

    own = load_card(project.cards, section)
    return remarks(context, request, own, read_settings(settings), limits, backend)


def chosen_card(
    project: Project,
    section: str,
    context: typer.Context,
    *,
    algorithm: str | None,
    seed: int | None,
    settings: list[str] | None,
) -> SectionCard:
    """The card of a section with what a command line chooses.

    Raises:
        BadInput: A value is wrong, or would do nothing.
    """
    from orchestrator.cli.option_effects import from_variable, require_algorithm_settings
    from orchestrator.stores.section.card_yaml import choose, load_card, read_settings

    values = read_settings(settings)
    if "algorithm" in values and from_variable(context, "algorithm"):
        algorithm = None  # as above
    card = choose(load_card(project.cards, section, values), algorithm=algorithm, seed=seed)
    require_algorithm_settings(values, card, algorithm)
    return card


def relative(path: str | None, root: Path) -> str | None:
    """A path for people: within the project relative to it, POSIX."""
    if path is None:
        return None
    place = Path(path)
    return place.relative_to(root).as_posix() if place.is_relative_to(root) else place.as_posix()
