"""The options that several commands share: each is declared once, alone or in a block of options."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from orchestrator.core.run.request import RunRequest
    from orchestrator.core.section.card import SectionCard
    from orchestrator.core.session.capabilities import Capabilities
    from orchestrator.stores.project import Project

Section = Annotated[str, typer.Argument(help="Section, for example section_7_6.")]
Quick = Annotated[
    bool, typer.Option("--quick/--full", envvar="ORCHESTRATOR_QUICK", help="Quick or full profile of the section.")
]
BackendName = Annotated[
    str | None,
    typer.Option("--backend", envvar="ORCHESTRATOR_BACKEND", help="local, kaggle, slurm or ray; default: the card's."),
]
Algorithm = Annotated[
    str | None,
    typer.Option(
        "--algorithm",
        envvar="ORCHESTRATOR_ALGORITHM",
        help="DQN, QRDQN, PPO, A2C, SAC or TD3; each has its own models directory.",
    ),
]
Seed = Annotated[
    int | None,
    typer.Option("--seed", envvar="ORCHESTRATOR_SEED", help="Training seed; each has its own models directory."),
]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="Replace a value of the section's card, e.g. algorithms.DQN.gamma=0.98"
    ),
]
TargetSteps = Annotated[
    int | None, typer.Option("--target-steps", envvar="ORCHESTRATOR_TARGET_STEPS", help="Total steps to reach.")
]
AddSteps = Annotated[int | None, typer.Option("--add-steps", help="Steps to train beyond those already done.")]
DeadlineS = Annotated[
    float | None,
    typer.Option("--deadline-s", envvar="ORCHESTRATOR_DEADLINE_S", help="Longest duration of one session, in seconds."),
]
Fresh = Annotated[bool, typer.Option("--fresh", help="Archive the checkpoints and start over from step 0.")]
AcceptGrade = Annotated[
    str | None,
    typer.Option("--accept-grade", help="weights-only: start a new training from the weights in place."),
]
NewImage = Annotated[
    bool,
    typer.Option(
        "--new-image", help="Continue in the backend's present image instead of the one of the earlier sessions."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on the last line of stdout.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingOptions:
    """Which training a command is about: a section, and what replaces values of its card.

    Attributes:
        context: Of the command; knows which options were typed and which come from environment variables.
        settings: `KEY=VALUE` words that replace values of the card.
    """

    context: typer.Context
    section: Section
    backend: BackendName = None
    algorithm: Algorithm = None
    seed: Seed = None
    settings: Set = None

    def card(self, project: Project) -> SectionCard:
        """The section's card with the chosen values.

        Raises:
            BadInput: A value is wrong, or would have no effect.
        """
        from orchestrator.cli.option_effects import from_variable, require_algorithm_settings
        from orchestrator.stores.section.card_yaml import choose, load_card, read_settings

        values, algorithm = read_settings(self.settings), self.algorithm
        if "algorithm" in values and from_variable(self.context, "algorithm"):
            algorithm = None  # what was typed wins over a variable
        card = choose(load_card(project.cards, self.section, values), algorithm=algorithm, seed=self.seed)
        require_algorithm_settings(values, card, algorithm)
        return card

    def ignored_variables(self) -> Iterator[str]:
        """A line for each environment variable that the command line overrides."""
        from orchestrator.cli.option_effects import ignored_variables
        from orchestrator.stores.section.card_yaml import read_settings

        return ignored_variables(self.context, read_settings(self.settings))


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions(TrainingOptions):
    """What `run` and `render` train: a training, and the sizes of this run."""

    quick: Quick = False
    target_steps: TargetSteps = None
    add_steps: AddSteps = None
    deadline_s: DeadlineS = None
    fresh: Fresh = False
    accept_grade: AcceptGrade = None

    def request(self, project: Project, *, detach: bool = False) -> RunRequest:
        """The request of this command line; a typed option wins over an environment variable.

        Raises:
            BadInput: The section or a value is wrong.
        """
        from orchestrator.cli.option_effects import from_variable, require_size_settings
        from orchestrator.core.run.request import RunRequest
        from orchestrator.core.section.overrides import counts_steps, require_steps
        from orchestrator.stores.section.card_yaml import load_card, read_settings

        profile, values = "quick" if self.quick else "full", read_settings(self.settings)
        target_steps, deadline_s = self.target_steps, self.deadline_s
        own = load_card(project.cards, self.section)
        if not counts_steps(own) and from_variable(self.context, "target_steps"):
            target_steps = None
        replaced = self.add_steps is not None or f"profiles.{profile}.target_steps" in values
        if replaced and from_variable(self.context, "target_steps"):
            target_steps = None
        if f"profiles.{profile}.deadline_s" in values and from_variable(self.context, "deadline_s"):
            deadline_s = None
        sizes = {"--target-steps": target_steps, "--add-steps": self.add_steps, "--deadline-s": deadline_s}
        require_steps(own, [option for option, value in sizes.items() if value is not None])
        require_size_settings(values, profile, sizes)
        return RunRequest(
            card=self.card(project),
            profile=profile,
            target_steps=target_steps,
            add_steps=self.add_steps,
            fresh=self.fresh,
            deadline_s=deadline_s,
            detach=detach,
            accept_grade=self.accept_grade,
        )

    def without_effect(self, project: Project, request: RunRequest, limits: Capabilities, backend: str) -> list[str]:
        """A line for each option that changes nothing."""
        from orchestrator.cli.option_effects import without_effect
        from orchestrator.stores.section.card_yaml import load_card, read_settings

        own = load_card(project.cards, self.section)
        return without_effect(self.context, request, own, read_settings(self.settings), limits, backend)
