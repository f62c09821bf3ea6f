"""The options that several commands share, declared once, and the request that they make together."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from orchestrator.core.requests import RunRequest
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
TargetSteps = Annotated[
    int | None, typer.Option("--target-steps", envvar="ORCHESTRATOR_TARGET_STEPS", help="Total steps to reach.")
]
AddSteps = Annotated[int | None, typer.Option("--add-steps", help="Steps to train beyond those already done.")]
DeadlineS = Annotated[
    float | None,
    typer.Option("--deadline-s", envvar="ORCHESTRATOR_DEADLINE_S", help="Seconds that one session may take."),
]
Fresh = Annotated[bool, typer.Option("--fresh", help="Archive the checkpoints and begin anew.")]
Detach = Annotated[
    bool, typer.Option("--detach", help="Leave as soon as a session is in flight; `attach` goes on with it.")
]
AcceptGrade = Annotated[
    str | None,
    typer.Option("--accept-grade", help="weights-only: begin a new training from the weights of another one."),
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
) -> RunRequest:
    """The request of a command line, flags before environment.

    Args:
        context: Of the command, to tell a typed flag from a variable.

    Raises:
        BadInput: The section or a value is wrong.
    """
    from orchestrator.core.requests import RunRequest
    from orchestrator.stores.configs import choose, load_card

    source = context.get_parameter_source("target_steps")
    if add_steps is not None and source is not None and source.name == "ENVIRONMENT":
        target_steps = None  # the flag was typed, the variable was only there
    return RunRequest(
        card=choose(load_card(project.cards, section), algorithm=algorithm, seed=seed),
        profile="quick" if quick else "full",
        target_steps=target_steps,
        add_steps=add_steps,
        fresh=fresh,
        deadline_s=deadline_s,
        detach=detach,
        accept_grade=accept_grade,
    )


def relative(path: str | None, root: Path) -> str | None:
    """A path for people: within the project relative to it, POSIX."""
    if path is None:
        return None
    place = Path(path)
    return place.relative_to(root).as_posix() if place.is_relative_to(root) else place.as_posix()
