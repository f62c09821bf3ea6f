"""A group of a campaign: trials of one section that differ in some keys of its card, and their training seeds."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from orchestrator.core.campaign.search_config import Search
from orchestrator.core.section.card import SEEDS_END
from orchestrator.core.section.overrides import MOST_TRIALS, NEVER_SET, Setting, Settings

_STRICT: Mapping[str, Any] = {"extra": "forbid", "strict": True}


@dataclass(frozen=True, slots=True, kw_only=True)
class Seeds:
    """The rule for the training seeds of each variant.

    Attributes:
        completed: Seeds that must complete.
        first: The lowest seed.
        spares: Further seeds that replace seeds whose infrastructure failed for good. A seed with a disappointing
            result is never replaced, because that would select the results.
    """

    __pydantic_config__: ClassVar[Mapping[str, Any]] = _STRICT

    completed: int
    first: int = 0
    spares: int = 0

    def __post_init__(self) -> None:
        if self.completed < 1 or self.first < 0 or self.spares < 0:
            raise ValueError("completed must be at least 1, first and spares at least 0")
        if self.count > MOST_TRIALS:
            raise ValueError(f"completed and spares make {self.count} trials, a campaign has at most {MOST_TRIALS}")
        if self.first + self.count > SEEDS_END:
            raise ValueError(f"first is too large: seeds lie in [0, {SEEDS_END - 1}]")

    @property
    def count(self) -> int:
        """Number of seeds, spares included."""
        return self.completed + self.spares

    @property
    def all(self) -> Sequence[int]:
        """Every seed, spares last."""
        return range(self.first, self.first + self.count)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedSeeds:
    """Training seeds that the file lists; each must complete."""

    all: tuple[int, ...]

    def __post_init__(self) -> None:
        if not self.all:
            raise ValueError("seeds is empty")
        for seed in self.all:
            if not 0 <= seed < SEEDS_END:
                raise ValueError(f"seeds lie in [0, {SEEDS_END - 1}], not {seed}")
        twice = [seed for seed, count in Counter(self.all).items() if count > 1]
        if twice:
            raise ValueError(f"seeds contains {twice[0]} twice")

    @property
    def completed(self) -> int:
        """Number of seeds that must complete."""
        return len(self.all)

    @property
    def count(self) -> int:
        """Number of seeds."""
        return len(self.all)


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
