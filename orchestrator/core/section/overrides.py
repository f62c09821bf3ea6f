"""A cell of a campaign: keys of a section's card, and the values that replace theirs."""

from __future__ import annotations

from collections.abc import Mapping

Scalar = bool | int | float | str
Setting = Scalar | list[Scalar]
Settings = Mapping[str, Setting]
"""Keys of a section card, nested ones with dots (`environment.decision_s`), and the values that replace theirs."""

NEVER_SET = frozenset({"section", "title", "directory", "entry_point", "scenario", "backend", "trial", "seed"})
"""Keys of a card that say which section it is and where it lies: another value would be another section."""

MOST_TRIALS = 100_000
"""Trainings of a whole campaign, spares included. All of them are laid out before the first one starts."""
