"""The training seeds of a campaign's variants: a rule, or a list."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from orchestrator.core.section.card import SEEDS_END
from orchestrator.core.section.overrides import MOST_TRIALS

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
