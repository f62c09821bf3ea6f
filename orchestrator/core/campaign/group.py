"""A group of a campaign: trials of one section that differ in some keys of its card."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from orchestrator.core.campaign.search_config import Search
from orchestrator.core.campaign.seeds import ListedSeeds, Seeds
from orchestrator.core.section.overrides import MOST_TRIALS, NEVER_SET, Setting, Settings

_STRICT: Mapping[str, Any] = {"extra": "forbid", "strict": True}


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Trials of one section that differ in the keys of `matrix`, `cells` or `search`, each with every seed.

    Attributes:
        seeds: Their number, counted from 0; or their rule; or a list of the seeds.
        matrix: Key -> its values; every combination is a variant.
        include: Further variants.
        exclude: Combinations of the matrix to leave out; each must match at least one.
        cells: The variants one by one, instead of a matrix.
        search: Proposes the variants while the campaign runs, instead of matrix and cells.
        settings: Settings of all variants.
        priority: Groups of a higher number start first.
        after: Groups that must be complete before the first trial of this group starts.
    """

    __pydantic_config__: ClassVar[Mapping[str, Any]] = _STRICT

    section: str
    seeds: int | Seeds | tuple[int, ...] = 1
    profile: Literal["quick", "full"] = "full"
    matrix: Mapping[str, list[Setting]] = field(default_factory=dict)
    include: tuple[Settings, ...] = ()
    exclude: tuple[Settings, ...] = ()
    cells: tuple[Settings, ...] = ()
    search: Search | None = None
    settings: Settings = field(default_factory=dict)
    priority: int = 0
    after: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.cells and (self.matrix or self.include or self.exclude):
            raise ValueError("cells replaces matrix, include and exclude: give only one of them")
        if self.search and (self.cells or self.matrix or self.include or self.exclude):
            raise ValueError("search replaces matrix, include, exclude and cells: give only one of them")
        if isinstance(self.seeds, int) and self.seeds < 1:
            raise ValueError(f"seeds must be at least 1, not {self.seeds}")
        if isinstance(self.seeds, int) and self.seeds > MOST_TRIALS:
            raise ValueError(f"seeds: {self.seeds} are too many, a campaign has at most {MOST_TRIALS} trials")
        for key, values in self.matrix.items():
            if not values:
                raise ValueError(f"matrix.{key} has no values")
        space = self.search.space if self.search else {}
        blocks = (self.matrix, space, self.settings, *self.include, *self.exclude, *self.cells)
        for key in sorted({key for block in blocks for key in block} & NEVER_SET):
            raise ValueError(f"{key} cannot be set by a campaign" + (": use seeds" if key == "seed" else ""))

        self._require_effect()
        if self.trials > MOST_TRIALS:
            raise ValueError(f"{self.trials} trials are too many, a campaign has at most {MOST_TRIALS}")

    def _require_effect(self) -> None:
        """Refuse a group that sets sizes of another profile and none of its own: they were meant for its profile.

        Sizes of both are accepted, so that a shared block can hold both.
        """
        blocks = (self.matrix, self.settings, *self.include, *self.exclude, *self.cells)
        sizes = sorted({key for block in blocks for key in block if key.startswith("profiles.")})
        if sizes and not any(key.startswith(f"profiles.{self.profile}.") for key in sizes):
            raise ValueError(f"{sizes[0]} has no effect: the group runs the profile {self.profile}")

    @property
    def seed_rule(self) -> Seeds | ListedSeeds:
        """The seeds as a rule or a list."""
        if isinstance(self.seeds, int):
            return Seeds(completed=self.seeds)
        return self.seeds if isinstance(self.seeds, Seeds) else ListedSeeds(all=self.seeds)

    @property
    def trials(self) -> int:
        """Largest number of trials: every combination, excluded ones too, with every seed."""
        matrix = math.prod(map(len, self.matrix.values())) + len(self.include)
        return (self.search.most if self.search else len(self.cells) or matrix) * self.seed_rule.count
