"""Settings that replace values of a section's card, and whether the section counts the steps that they set."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from orchestrator.core.errors import BadInput
from orchestrator.core.section.size_limits import STEP_SIZES

if TYPE_CHECKING:
    from orchestrator.core.section.card import SectionCard

Scalar = bool | int | float | str
Setting = Scalar | list[Scalar]
Settings = Mapping[str, Setting]
"""Key of a section card, nested ones with dots (`algorithms.DQN.gamma`) -> value that replaces the card's."""

NEVER_SET = frozenset(
    {"section", "title", "directory", "entry_point", "script", "scenario", "backend", "trial", "seed"}
)
"""Keys that identify a section and its place: another value would mean another section."""

MOST_TRIALS = 100_000
"""Largest number of trials in a campaign, spares included; all are listed before the first one starts."""


def counts_steps(card: SectionCard) -> bool:
    """Whether a section trains step by step; else it computes its results in one go and saves no checkpoint.

    A script may train without naming its steps in the card; an entry point names them in a profile.
    """
    sizes = (getattr(profile, name) for profile in card.profiles.values() for name in STEP_SIZES)
    return card.script is not None or card.algorithm is not None or any(size is not None for size in sizes)


def require_steps(card: SectionCard, options: Iterable[str]) -> None:
    """Refuse options and settings about steps for a section that counts none.

    Args:
        card: As in its file.
        options: Options with a value, and keys of settings.

    Raises:
        BadInput: One of them would have no effect.
    """
    keys = {f"profiles.{name}.{size}" for name in card.profiles for size in STEP_SIZES}
    asked = sorted(set(options) & {"--target-steps", "--add-steps", *keys})
    if asked and not counts_steps(card):
        raise BadInput(
            f"{asked[0]} has no effect on {card.section}: it counts no steps and runs to its end",
            remedy="Leave it out. If the section does train step by step, give its profiles target_steps in the card.",
        )
