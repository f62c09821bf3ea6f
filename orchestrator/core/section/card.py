"""A section's card: what the orchestrator knows of a section without importing it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, ClassVar, Literal, cast

from orchestrator.core.section.environment import Criteria, Crossing, plain
from orchestrator.core.section.hyperparameters import AlgorithmName, Algorithms, LearningSettings, declared
from orchestrator.core.section.kaggle import KaggleSettings
from orchestrator.core.section.lineage import Lineage

_STRICT: Mapping[str, Any] = {"extra": "forbid", "strict": True}

BackendName = Literal["local", "kaggle"]

SEEDS_END = 2**32
"""Seeds are below this: the limit of `numpy.random.seed`, which stable-baselines3's `set_random_seed` calls."""

MOST_STEPS = 2**53
"""Integers up to here are exact in JSON and fit into the ledger's columns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A size of a section's training. Network and hyper-parameters are the same in all profiles.

    Attributes:
        target_steps: Total environment steps to reach, over all sessions.
        checkpoint_every_steps: Steps between saves.
        evaluate_every_steps: Steps between evaluations during training.
        evaluation_scenarios: Number of unseen scenarios in the final comparison.
        deadline_s: Longest session, wall seconds.
    """

    __pydantic_config__: ClassVar[Mapping[str, Any]] = _STRICT

    target_steps: int
    checkpoint_every_steps: int
    evaluate_every_steps: int
    evaluation_scenarios: int
    deadline_s: float

    def __post_init__(self) -> None:
        names = ("evaluation_scenarios", "deadline_s", "target_steps", "checkpoint_every_steps", "evaluate_every_steps")
        faults = []
        for name in names:
            value = getattr(self, name)
            if not 0 < value < float("inf"):
                faults.append(f"{name} must be above 0 and finite, not {value}")
            elif value > MOST_STEPS:
                faults.append(f"{name} must not exceed {MOST_STEPS}, not {value}")
        if faults:
            raise ValueError("\n".join(faults))


def _require_inside(pattern: str) -> None:
    """Refuse a glob that could lead out of the project."""
    parts = pattern.split("/")
    if "\\" in pattern or ":" in pattern or any(part in ("", ".", "..") for part in parts):
        raise ValueError(f"include takes paths inside the project such as assets/*.npz, not {pattern!r}")
    if any("**" in part and part != "**" for part in parts):
        raise ValueError(f"** must be a whole part of a path of include, as in assets/**/*.npz, not {pattern!r}")


@dataclass(frozen=True, kw_only=True)  # without slots: the lineage is cached
class SectionCard:
    """A section as declared in its YAML file.

    Attributes:
        section: Name on the command line, e.g. `section_7_6`.
        title: Shown to people.
        directory: The section's folder below `validation_ch7` and in every output.
        entry_point: Module below the project's root whose `run(context)` the kernel calls.
        scenario: Scenario name in checkpoint stems.
        resume_floor: Lowest grade at which a checkpoint may be resumed.
        backend: Default backend, without `--backend` and ORCHESTRATOR_BACKEND.
        device: `cpu`, `cuda` or `auto`, on this computer.
        kaggle: Settings of a session on Kaggle, its device included.
        include: POSIX globs, relative to the project: files that travel beside what the entry point imports.
        trial: Whether this is a variant with its own models directory; set by `chosen`, not a key of the file.
    """

    __pydantic_config__: ClassVar[Mapping[str, Any]] = _STRICT

    section: str
    title: str
    directory: str
    entry_point: str
    scenario: str
    algorithm: AlgorithmName
    network: tuple[int, ...]
    algorithms: Algorithms
    environment: Crossing
    criteria: Criteria
    profiles: Mapping[str, Profile]
    seed: int = 0
    resume_floor: Literal["exact", "statistical"] = "statistical"
    backend: BackendName = "local"
    device: Literal["cpu", "cuda", "auto"] = "cpu"
    kaggle: KaggleSettings = field(default_factory=KaggleSettings)
    include: tuple[str, ...] = ()
    trial: bool = False

    def __post_init__(self) -> None:
        if not self.network or min(self.network) <= 0:
            raise ValueError("network needs at least one layer, each with at least one unit")
        if not {"quick", "full"} <= set(self.profiles):
            raise ValueError("profiles needs both quick and full")
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", self.directory):
            raise ValueError(f"directory must be a plain folder name, not {self.directory!r}")
        if not re.fullmatch(r"(?!orchestrator(\.|$))[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", self.entry_point, re.ASCII):
            raise ValueError(
                f"entry_point must be a module of the project, such as mypackage.train, not {self.entry_point!r}"
            )
        for pattern in self.include:
            _require_inside(pattern)
        if self.algorithm not in self.algorithms.names:
            raise ValueError(f"algorithms must declare {self.algorithm}, the section's algorithm")
        if not 0 <= self.seed < SEEDS_END:
            raise ValueError(f"seed must not be negative or above {SEEDS_END - 1}, not {self.seed}")

    @property
    def hyper_parameters(self) -> LearningSettings:
        """Hyper-parameters of the section's algorithm."""
        own: LearningSettings = getattr(self.algorithms, self.algorithm)
        return own

    def chosen(self, *, algorithm: str | None = None, seed: int | None = None) -> SectionCard:
        """The section with another algorithm or seed: a trial, unless both equal the card's.

        Raises:
            ValueError: The card declares no such algorithm, or the seed is out of range.
        """
        if algorithm is not None and algorithm not in self.algorithms.names:
            raise ValueError(f"{self.section} declares {', '.join(self.algorithms.names)}, not {algorithm}")
        wanted = replace(
            self,
            algorithm=cast("AlgorithmName", algorithm) if algorithm is not None else self.algorithm,
            seed=self.seed if seed is None else seed,
        )
        return self if wanted == self else replace(wanted, trial=True)

    @cached_property
    def lineage(self) -> Lineage:
        """Lineage of its trainings, the same for every profile."""
        return Lineage(
            section=self.section,
            environment=plain(self.environment),
            algorithm=self.algorithm,
            network=self.network,
            hyper_parameters=declared(self.hyper_parameters),
            seed=self.seed,
        )
