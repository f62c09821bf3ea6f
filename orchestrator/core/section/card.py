"""A section's card: what the orchestrator knows of a section without importing it."""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields, make_dataclass, replace
from functools import cache, cached_property
from typing import Any, ClassVar, Literal, cast, get_type_hints

from orchestrator.core.section.kaggle import KaggleSettings
from orchestrator.core.section.lineage import Lineage
from orchestrator.core.section.plain_values import plain
from orchestrator.kernel.algorithms.hyperparameters import AlgorithmName, Algorithms, HyperParameters
from orchestrator.kernel.schema import CRITERIA

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


def _outside(pattern: str) -> str | None:
    """Why a glob could lead out of the project, None if it cannot."""
    parts = pattern.split("/")
    if "\\" in pattern or ":" in pattern or any(part in ("", ".", "..") for part in parts):
        return f"include takes paths inside the project such as assets/*.npz, not {pattern!r}"
    if any("**" in part and part != "**" for part in parts):
        return f"** must be a whole part of a path of include, as in assets/**/*.npz, not {pattern!r}"
    return None


@dataclass(frozen=True, kw_only=True)  # without slots: the lineage is cached
class SectionCard:
    """A section as declared in its YAML file.

    A section with a schema of its own has a subclass of it, see `card_kind`.

    Attributes:
        section: Name on the command line, e.g. `section_7_6`.
        title: Shown to people.
        directory: The section's folder below `validation_ch7` and in every output.
        entry_point: Module below the project's root whose `run(context)` the kernel calls.
        scenario: Scenario name in checkpoint stems; the section's name if the file has none.
        algorithm: One of `algorithms`; None for a section that declares none.
        network: Units of each hidden layer.
        settings: Free values, part of the lineage.
        resume_floor: Lowest grade at which a checkpoint may be resumed.
        backend: Default backend, without `--backend` and ORCHESTRATOR_BACKEND.
        device: `cpu`, `cuda` or `auto`, on this computer.
        kaggle: Settings of a session on Kaggle, its device included.
        include: POSIX globs, relative to the project: files that travel beside what the entry point imports.
        trial: Whether this is a variant with its own models directory; set by `chosen`, not a key of the file.
    """

    __pydantic_config__: ClassVar[Mapping[str, Any]] = _STRICT
    own_schema: ClassVar[type[Any] | None] = None

    section: str
    title: str
    directory: str
    entry_point: str
    profiles: Mapping[str, Profile]
    scenario: str = ""
    algorithm: AlgorithmName | None = None
    network: tuple[int, ...] = ()
    algorithms: Algorithms = field(default_factory=Algorithms)
    settings: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    resume_floor: Literal["exact", "statistical"] = "statistical"
    backend: BackendName = "local"
    device: Literal["cpu", "cuda", "auto"] = "cpu"
    kaggle: KaggleSettings = field(default_factory=KaggleSettings)
    include: tuple[str, ...] = ()
    trial: bool = False

    def __post_init__(self) -> None:
        if not self.scenario:
            object.__setattr__(self, "scenario", self.section)
        faults = [*self._learning_faults(), *self._own_faults()]
        if not {"quick", "full"} <= set(self.profiles):
            faults.append("profiles needs both quick and full")
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", self.directory):
            faults.append(f"directory must be a plain folder name, not {self.directory!r}")
        if not re.fullmatch(r"(?!orchestrator(\.|$))[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", self.entry_point, re.ASCII):
            faults.append(
                f"entry_point must be a module of the project, such as mypackage.train, not {self.entry_point!r}"
            )
        faults += filter(None, map(_outside, self.include))
        if not 0 <= self.seed < SEEDS_END:
            faults.append(f"seed must not be negative or above {SEEDS_END - 1}, not {self.seed}")
        if faults:
            raise ValueError("\n".join(faults))

    def _learning_faults(self) -> list[str]:
        if self.algorithm is None and not self.algorithms.names and not self.network:
            return []
        faults = []
        if not self.network or min(self.network) <= 0:
            faults.append("network needs at least one layer, each with at least one unit")
        if self.algorithm is None:
            faults.append(f"algorithm is missing: it names one of {', '.join(self.algorithms.names) or 'algorithms'}")
        elif self.algorithm not in self.algorithms.names:
            faults.append(f"algorithms must declare {self.algorithm}, the section's algorithm")
        return faults

    def _own_faults(self) -> list[str]:
        try:
            plain(self.own, "")
            plain(self.settings, "settings")
        except ValueError as fault:
            return str(fault).splitlines()
        return []

    @property
    def own(self) -> Any:
        """The section's own keys as its `Schema`; an empty mapping without one."""
        if self.own_schema is None:
            return {}
        return self.own_schema(**{one.name: getattr(self, one.name) for one in fields(self.own_schema)})

    @cached_property
    def criteria_values(self) -> dict[str, Any]:
        """Own key `criteria` as plain JSON: the question that a verdict answers. Empty without one."""
        return dict(plain(self.own, "").get(CRITERIA) or {})

    @property
    def hyper_parameters(self) -> HyperParameters | None:
        """Hyper-parameters of the section's algorithm, None without one."""
        own: HyperParameters | None = getattr(self.algorithms, self.algorithm) if self.algorithm else None
        return own

    def overshoot_steps(self, profile: str) -> int:
        """Steps by which a training may end beyond its target: one rollout, or without an algorithm one save."""
        learning = self.hyper_parameters
        return learning.rollout_steps if learning else self.profiles[profile].checkpoint_every_steps

    def chosen(self, *, algorithm: str | None = None, seed: int | None = None) -> SectionCard:
        """The section with another algorithm or seed: a trial, unless both equal the card's.

        Raises:
            ValueError: The card declares no such algorithm, or the seed is out of range.
        """
        if algorithm is not None and algorithm not in self.algorithms.names:
            names = ", ".join(self.algorithms.names) or "no algorithms"
            raise ValueError(f"{self.section} declares {names}, not {algorithm}")
        wanted = replace(
            self,
            algorithm=cast("AlgorithmName", algorithm) if algorithm is not None else self.algorithm,
            seed=self.seed if seed is None else seed,
        )
        return self if wanted == self else replace(wanted, trial=True)

    @cached_property
    def lineage(self) -> Lineage:
        """Lineage of its trainings, the same for every profile."""
        own = {name: value for name, value in plain(self.own, "").items() if name != CRITERIA}
        if self.settings:
            own["settings"] = plain(self.settings, "settings")
        learning = self.hyper_parameters
        return Lineage(
            section=self.section,
            environment=own.pop("environment", {}),
            algorithm=self.algorithm,
            network=self.network,
            hyper_parameters=plain(learning, "hyper_parameters") if learning else {},
            seed=self.seed,
            own=own,
        )


RESERVED_KEYS = frozenset(dir(SectionCard)) | {one.name for one in fields(SectionCard)} | {"hyper_parameters", "own"}
"""Names that a section's own schema must not declare."""


@cache
def card_kind(schema: Hashable) -> type[SectionCard]:
    """The card of a section with its own schema: its fields are keys of the card, beside those of every card."""
    kind = cast("type[Any]", schema)
    hints = get_type_hints(kind)
    own = [(one.name, hints[one.name], _copied(one)) for one in fields(kind)]
    namespace = {"own_schema": kind, "__module__": __name__, "__doc__": SectionCard.__doc__}
    return make_dataclass("OwnSectionCard", own, bases=(SectionCard,), namespace=namespace, frozen=True, kw_only=True)


def _copied(one: Field[Any]) -> Any:
    if one.default_factory is not MISSING:
        return field(default_factory=one.default_factory)
    return field() if one.default is MISSING else field(default=one.default)
