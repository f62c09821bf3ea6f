"""Settings that replace values of a section's card."""

from __future__ import annotations

from collections.abc import Mapping

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
