"""Options without effect: refused where they contradict each other, mentioned in one line where they are harmless."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from orchestrator.core.run.request import RunRequest
    from orchestrator.core.section.card import SectionCard
    from orchestrator.core.section.overrides import Settings
    from orchestrator.core.session.capabilities import Capabilities

_TRUE = frozenset({"1", "true", "t", "yes", "y", "on"})
_OF_RUNS = ("QUICK", "ALGORITHM", "SEED", "TARGET_STEPS", "DEADLINE_S")


def from_variable(context: typer.Context, option: str) -> bool:
    """Whether an option's value comes from its environment variable, not from the command line."""
    source = context.get_parameter_source(option)
    return source is not None and source.name == "ENVIRONMENT"


def require_algorithm_settings(settings: Settings, card: SectionCard, algorithm: str | None) -> None:
    """Refuse settings of an algorithm that is not trained.

    Args:
        card: With its algorithm chosen.
        algorithm: Value of `--algorithm`.

    Raises:
        BadInput: One of the settings would have no effect.
    """
    from orchestrator.core.errors import BadInput

    if algorithm is not None and settings.get("algorithm", card.algorithm) != card.algorithm:
        raise BadInput(
            f"--set algorithm={settings['algorithm']} and --algorithm {algorithm} contradict each other",
            remedy="Give one of them.",
        )
    for key in settings:
        block, _, rest = key.partition(".")
        name = rest.partition(".")[0]
        if block == "algorithms" and name != card.algorithm:
            raise BadInput(
                f"--set {key} has no effect: {card.algorithm} is trained, not {name}",
                remedy=f"Add --algorithm {name}, or set algorithms.{card.algorithm}.… instead.",
            )


def require_size_settings(settings: Settings, profile: str, options: Mapping[str, object]) -> None:
    """Refuse sizes of another profile, and sizes that another option of the same command replaces.

    Args:
        options: Option -> its value, None where it is not given.

    Raises:
        BadInput: One of the settings would have no effect.
    """
    from orchestrator.core.errors import BadInput

    for key in settings:
        if key.startswith("profiles.") and not key.startswith(f"profiles.{profile}."):
            other = key.split(".")[1]
            raise BadInput(
                f"--set {key} has no effect: the profile {profile} runs, not {other}",
                remedy=f"Give --{other}, or set profiles.{profile}.… instead.",
            )
    replaced = {"target_steps": ("--target-steps", "--add-steps"), "deadline_s": ("--deadline-s",)}
    for size, others in replaced.items():
        key = f"profiles.{profile}.{size}"
        for option in others:
            if key in settings and options.get(option) is not None:
                raise BadInput(f"--set {key} has no effect beside {option}", remedy="Give one of them.")


def without_effect(
    context: typer.Context,
    request: RunRequest,
    own: SectionCard,
    settings: Settings,
    limits: Capabilities,
    backend: str,
) -> list[str]:
    """A line for each option that changes nothing.

    Args:
        own: The section's card as in its file.
        settings: Values of `--set`.
        limits: Of the backend.
        backend: Name of the backend.
    """
    return [
        *ignored_variables(context, settings, request.profile),
        *_without_steps(context, own),
        *_own_values(context, own, settings),
        *_other_backend(settings, backend),
        *_beyond_limit(request.deadline_s, limits, backend),
    ]


def ignored_variables(context: typer.Context, settings: Settings, profile: str = "") -> Iterator[str]:
    """A line for each environment variable that the command line overrides with another value.

    Args:
        settings: Values of `--set`; they override variables.
        profile: The profile that runs.
    """
    keys = {name: f"profiles.{profile}.{name}" for name in ("target_steps", "deadline_s")} | {"algorithm": "algorithm"}
    for option in context.command.params:
        name, variable = str(option.name), option.envvar
        text = os.environ.get(variable) if isinstance(variable, str) else None
        value = context.params.get(name)
        if not text:
            continue
        if not from_variable(context, name):
            if _typed(context, name) and not _same(text, value):
                yield f"{variable}={text} has no effect: the command line says {_as_typed(name, value)}"
        elif name == "target_steps" and context.params.get("add_steps") is not None:
            yield f"{variable}={text} has no effect: the command line says --add-steps {context.params['add_steps']}"
        elif keys.get(name) in settings:
            yield f"{variable}={text} has no effect: the command line says --set {keys[name]}"


def campaign_variables(file_backends: Sequence[str], backend: str | None) -> Iterator[str]:
    """A line for a backend that is not the one in the campaign file, and for each variable that a campaign ignores."""
    if backend is not None and [backend] != list(file_backends):
        named = " and ".join(file_backends)
        yield f"Backend {backend} by --backend or ORCHESTRATOR_BACKEND; the campaign's file says {named}"
    for name in _OF_RUNS:
        if os.environ.get(f"ORCHESTRATOR_{name}"):
            yield f"ORCHESTRATOR_{name} has no effect on a campaign: its file says what runs"


def _typed(context: typer.Context, option: str) -> bool:
    source = context.get_parameter_source(option)
    return source is not None and source.name == "COMMANDLINE"


def _same(text: str, value: Any) -> bool:
    if isinstance(value, bool):
        return (text.strip().lower() in _TRUE) is value
    try:
        return text.strip() == str(value) or float(text) == value
    except ValueError:
        return False


def _as_typed(option: str, value: Any) -> str:
    if isinstance(value, bool):
        return "--quick" if value else "--full"
    return f"--{option.replace('_', '-')} {value}"


def _without_steps(context: typer.Context, own: SectionCard) -> Iterator[str]:
    from orchestrator.core.section.overrides import counts_steps

    if from_variable(context, "target_steps") and not counts_steps(own):
        steps = context.params["target_steps"]
        yield f"ORCHESTRATOR_TARGET_STEPS={steps} has no effect: {own.section} counts no steps and runs to its end"


def _own_values(context: typer.Context, own: SectionCard, settings: Settings) -> Iterator[str]:
    from orchestrator.stores.section.card_yaml import value_of

    for option, own_value in (("seed", own.seed), ("algorithm", own.algorithm)):
        if _typed(context, option) and context.params[option] == own_value:
            yield f"--{option} {own_value} is the card's own value"
    for key, value in settings.items():
        if value_of(own, key) == value:
            yield f"--set {key}={value} is the card's own value"


def _other_backend(settings: Settings, backend: str) -> Iterator[str]:
    for key in settings:
        if key.startswith(("kaggle.", "slurm.", "ray.")) and not key.startswith(f"{backend}."):
            yield f"--set {key} has no effect on the backend {backend}"
        if key == "device" and backend == "kaggle":
            yield "--set device has no effect on kaggle: set kaggle.device instead"


def _beyond_limit(deadline_s: float | None, limits: Capabilities, backend: str) -> Iterator[str]:
    if deadline_s is not None and limits.max_wall_s is not None and deadline_s > limits.max_wall_s:
        yield f"--deadline-s {deadline_s:g} is cut: a session on {backend} may take {limits.max_wall_s:g} s"
