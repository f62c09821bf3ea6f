"""A search as a campaign's file declares it: space, sampler, objective and pruner, with their own checks."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from orchestrator.core.section.overrides import MOST_TRIALS, Setting

_STRICT: Mapping[str, Any] = {"extra": "forbid", "strict": True}

SCORE = "score"
"""The objective that the ledger stores: the best evaluation during the training, higher is better."""

_NUMBER = re.compile(r"[^\s.]+(\.[^\s.]+)*")

PrunerName = Literal["median", "halving", "hyperband", "none"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """Numbers from `low` to `high`, both included. Two whole numbers make a range of whole numbers.

    Attributes:
        log: Whether to draw on a logarithmic scale; not together with a step.
        step: Distance of the allowed numbers, from `low` on.
    """

    __pydantic_config__: ClassVar[Mapping[str, Any]] = _STRICT

    low: int | float
    high: int | float
    log: bool = False
    step: int | float | None = None

    def __post_init__(self) -> None:
        numbers = [self.low, self.high, *([] if self.step is None else [self.step])]
        if not all(math.isfinite(number) for number in numbers) or not self.low < self.high:
            raise ValueError(f"low must be below high, both finite, not {self.low} and {self.high}")
        if self.step is not None and (self.step <= 0 or self.log):
            raise ValueError("step must be above 0, and cannot be combined with log")
        if self.log and self.low <= 0:
            raise ValueError(f"low must be above 0 for log, not {self.low}")
        if self.whole and self.step is not None and not isinstance(self.step, int):
            raise ValueError(f"step must be a whole number as low and high are, not {self.step}")
        if self.step is not None and not math.isfinite((self.high - self.low) / self.step):
            raise ValueError(f"step {self.step} is too small for a range from {self.low} to {self.high}")

    @property
    def whole(self) -> bool:
        """Whether all its numbers are whole."""
        return isinstance(self.low, int) and isinstance(self.high, int)

    @property
    def count(self) -> int | None:
        """Number of its numbers, None if they are not countable."""
        step = self._countable_step
        return None if step is None else math.floor((self.high - self.low) / step + 1e-9) + 1

    @property
    def steps(self) -> tuple[int | float, ...] | None:
        """All its numbers, None if they are not countable."""
        step = self._countable_step
        return None if step is None else tuple(tidy(self.low + place * step) for place in range(self.count or 0))

    @property
    def _countable_step(self) -> int | float | None:
        return self.step if self.step is not None else 1 if self.whole and not self.log else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruner:
    """When a weak training is not continued: Optuna's pruner of that kind, asked at rungs.

    A rung is a number of steps. Its value is the best evaluation so far. It is compared with the values of earlier
    batches only.

    Attributes:
        every_steps: Steps from rung to rung; None for the profile's `evaluate_every_steps`.
        startup_trials: `median` prunes nothing before this number of proposals of earlier batches is complete.
        warmup_rungs: `median` prunes nothing at this number of first rungs.
        least_rungs: The first rung at which `halving` and `hyperband` compare.
        factor: `halving` and `hyperband` let one of `factor` trainings go on.
    """

    __pydantic_config__: ClassVar[Mapping[str, Any]] = _STRICT

    kind: PrunerName
    every_steps: int | None = None
    startup_trials: int | None = None
    warmup_rungs: int | None = None
    least_rungs: int | None = None
    factor: int | None = None

    def __post_init__(self) -> None:
        foreign = {"median": ("least_rungs", "factor"), "none": ("every_steps", *_OF_MEDIAN, *_OF_HALVING)}
        for name in foreign.get(self.kind, _OF_MEDIAN):
            if getattr(self, name) is not None:
                raise ValueError(f"{name} has no effect with the pruner {self.kind}")
        least = {"every_steps": 1, "startup_trials": 1, "warmup_rungs": 0, "least_rungs": 1, "factor": 2}
        for name, lowest in least.items():
            value = getattr(self, name)
            if value is not None and value < lowest:
                raise ValueError(f"{name} must be at least {lowest}, not {value}")


_OF_MEDIAN = ("startup_trials", "warmup_rungs")
_OF_HALVING = ("least_rungs", "factor")


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """The search that proposes the variants of a group, batch by batch, from the results of the earlier batches.

    Attributes:
        space: Key of the card -> a range, or a list of choices.
        sampler: `tpe` learns from earlier results, `random` does not, `grid` takes every cell once, in seeded order.
        trials: Total number of proposals; None for the whole grid.
        batch: Number of proposals made together; required if a batch waits for the one before.
        seed: Of the sampler.
        startup_trials: `tpe` proposes at random until this number of results is known; None for 10.
        objective: `score`, or a number of the evaluating session's summary, nested with dots. The score is measured
            on tuning scenarios; a choice by a number of the summary uses the test scenarios.
        direction: Whether a higher objective is better. The score is always maximized.
        pruner: A kind, or a kind with its parameters.
    """

    __pydantic_config__: ClassVar[Mapping[str, Any]] = _STRICT

    space: Mapping[str, Range | list[Setting]]
    sampler: Literal["tpe", "grid", "random"] = "tpe"
    trials: int | None = None
    batch: int | None = None
    seed: int = 0
    startup_trials: int | None = None
    objective: str = SCORE
    direction: Literal["maximize", "minimize"] = "maximize"
    pruner: PrunerName | Pruner = "none"

    def __post_init__(self) -> None:
        if not self.space:
            raise ValueError("space has no key")
        for name in ("trials", "batch", "startup_trials"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} must be at least 1, not {value}")
        if not 0 <= self.seed < 2**32:
            raise ValueError(f"seed must lie in [0, 2^32), not {self.seed}")
        if self.startup_trials is not None and self.sampler != "tpe":
            raise ValueError(f"startup_trials has no effect with the sampler {self.sampler}")
        if not _NUMBER.fullmatch(self.objective):
            raise ValueError(f"objective must be score or keys of the summary joined with dots, not {self.objective!r}")
        if self.objective == SCORE and self.direction != "maximize":
            raise ValueError("the score is always maximized: higher is better")
        if self.objective != SCORE and self.prunes:
            raise ValueError("a pruner compares scores during training: it needs objective: score")
        self._require_space()
        if self.waits and self.batch is None:
            raise ValueError(
                "batch is needed: the number of proposals made together, usually the concurrency; "
                "another batch gives another search"
            )

    def _require_space(self) -> None:
        for key, where in self.space.items():
            if key.startswith("profiles."):
                raise ValueError(f"{key} cannot be searched: trainings of other sizes cannot be compared")
            if isinstance(where, list) and not where:
                raise ValueError(f"space.{key} has no choices")
            if self.sampler == "grid" and isinstance(where, Range) and where.count is None:
                raise ValueError(f"space.{key} needs choices or a step: a grid has countable values")
        if self.sampler == "grid" and self._cells > MOST_TRIALS:
            raise ValueError(f"space has {self._cells} cells, a grid at most {MOST_TRIALS}")
        if self.trials is None and self.sampler != "grid":
            raise ValueError(f"trials is needed: the sampler {self.sampler} has no end of its own")

    @property
    def pruning(self) -> Pruner:
        """The pruner with its parameters."""
        return self.pruner if isinstance(self.pruner, Pruner) else Pruner(kind=self.pruner)

    @property
    def prunes(self) -> bool:
        """Whether a training can be pruned."""
        return self.pruning.kind != "none"

    @property
    def waits(self) -> bool:
        """Whether a batch must be decided before the next one can be proposed or pruned."""
        return self.sampler == "tpe" or self.prunes

    @property
    def at_once(self) -> int:
        """Number of proposals made together: all of them if none waits for another."""
        return self.batch if self.waits and self.batch is not None else self.most

    @property
    def most(self) -> int:
        """Total number of proposals."""
        return (self.trials or 0) if self.sampler != "grid" else min(self._cells, self.trials or self._cells)

    @property
    def _cells(self) -> int:
        """Number of cells of the whole grid."""
        return math.prod(len(where) if isinstance(where, list) else where.count or 0 for where in self.space.values())


def tidy(number: int | float, digits: int = 10) -> int | float:
    """A number rounded to `digits` significant digits: equal on machines that differ in the last bit."""
    return number if isinstance(number, int) else float(f"{number:.{digits}g}")
