"""A section's card: what the orchestrator knows of a section without importing it."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields, make_dataclass, replace
from functools import cache, cached_property
from pathlib import PurePosixPath
from typing import Any, ClassVar, Literal, cast, get_type_hints

from orchestrator.core.section.kaggle import MAX_SESSION_S, KaggleSettings
from orchestrator.core.section.lineage import Lineage, plain
from orchestrator.core.section.ray import RaySettings
from orchestrator.core.section.session_kind import SessionKind
from orchestrator.core.section.size_limits import (
    DIRECTORY,
    MODULE,
    NETWORK_SCHEMA,
    SCENARIO,
    SCRIPT,
    SECTION,
    STEP_SIZES,
    NoLayers,
    include_fault,
    name_faults,
    pack_fault,
    start_faults,
)
from orchestrator.core.section.slurm import SlurmSettings
from orchestrator.kernel.algorithms.hyperparameters import AlgorithmName, Algorithms, HyperParameters
from orchestrator.kernel.algorithms.plans import JSON_SCHEMA
from orchestrator.kernel.schema import CRITERIA
from orchestrator.kernel.wire import code_folder

_STRICT: Mapping[str, Any] = {"extra": "forbid", "strict": True}

BackendName = Literal["local", "kaggle", "slurm", "ray"]

SEEDS_END = 2**32
"""Seeds are below this: the limit of `numpy.random.seed`, which stable-baselines3's `set_random_seed` calls."""

LEARNING_FIELDS = (*STEP_SIZES, "evaluation_scenarios")
"""Keys that each profile of a section with an `algorithm` needs, for the training loop of stable-baselines3."""

MOST_STEPS = 2**53  # integers up to here are exact in JSON and fit into the ledger's columns

_SIZE = {JSON_SCHEMA: {"exclusiveMinimum": 0, "maximum": MOST_STEPS}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A size of a section's training. Network and hyper-parameters are the same in all profiles.

    Attributes:
        target_steps: Total environment steps to reach, over all sessions; None if the section decides when it ends.
        checkpoint_every_steps: Steps between saves; None if the section decides.
        evaluate_every_steps: Steps between evaluations during training; None for a section without.
        evaluation_scenarios: Number of unseen scenarios in the final comparison; None for a section without.
        deadline_s: Longest session, wall seconds. Default: the longest that Kaggle allows; a backend with a lower
            limit uses its own, and a training that needs longer continues in the next session.
    """

    __pydantic_config__: ClassVar[Mapping[str, Any]] = _STRICT

    target_steps: int | None = field(default=None, metadata=_SIZE)
    checkpoint_every_steps: int | None = field(default=None, metadata=_SIZE)
    evaluate_every_steps: int | None = field(default=None, metadata=_SIZE)
    evaluation_scenarios: int | None = field(default=None, metadata=_SIZE)
    deadline_s: float = field(default=MAX_SESSION_S, metadata=_SIZE)

    def __post_init__(self) -> None:
        faults = []
        for name in ("evaluation_scenarios", "deadline_s", *STEP_SIZES):
            value = getattr(self, name)
            if value is None:
                continue
            if not 0 < value < float("inf"):
                faults.append(f"{name} must be above 0 and finite, not {value}")
            elif value > MOST_STEPS:
                faults.append(f"{name} must not exceed {MOST_STEPS}, not {value}")
        if faults:
            raise ValueError("\n".join(faults))


@dataclass(frozen=True, kw_only=True)  # without slots: the lineage is cached
class SectionCard:
    """A section as declared in its YAML file.

    A section with a schema of its own has a subclass of it, see `card_kind`.

    Attributes:
        section: Name on the command line, e.g. `section_7_6`.
        profiles: Its sizes `quick` and `full`; both without targets if the file has none.
        title: Shown to people; the section's name if the file has none.
        directory: The section's folder below `validation_ch7` and in every output; default: the section's name.
        entry_point: Module below the project's root whose `run(context)` the kernel calls; or None.
        script: POSIX path below the project's root of a file that the kernel runs like `python FILE`; or None.
        scenario: Scenario name in checkpoint stems; the section's name if the file has none.
        algorithm: One of `algorithms`; None for a section that declares none.
        network: Units of each hidden layer; default: `policy_kwargs.net_arch`, or that of the library.
        algorithms: Hyper-parameters of each algorithm that the section declares.
        settings: Free values, part of the lineage.
        seed: Seed of the training; another seed is another training.
        resume_floor: Lowest grade at which a checkpoint may be resumed.
        backend: Default backend, without `--backend` and ORCHESTRATOR_BACKEND.
        device: `cpu`, `cuda` or `auto`, on this computer, on Slurm and on Ray.
        kaggle: Settings of a session on Kaggle, its device included.
        slurm: Settings of a session on Slurm.
        ray: Settings of a session on a Ray cluster.
        pack: Trainings that share a session's machine, unless the campaign sets it; `auto`: one on each GPU or core.
        include: POSIX globs, relative to the project: files that travel beside what the entry point imports.
        trial: Whether this is a variant with its own models directory; set by `chosen`, not a key of the file.
    """

    __pydantic_config__: ClassVar[Mapping[str, Any]] = _STRICT
    own_schema: ClassVar[type[Any] | None] = None

    section: str = field(metadata={JSON_SCHEMA: {"pattern": f"^{SECTION}$"}})
    title: str = ""
    directory: str = field(default="", metadata={JSON_SCHEMA: {"pattern": f"^({DIRECTORY})?$"}})
    entry_point: str | None = field(default=None, metadata={JSON_SCHEMA: {"pattern": f"^{MODULE}$"}})
    script: str | None = field(default=None, metadata={JSON_SCHEMA: {"pattern": f"^{SCRIPT}$"}})
    profiles: Mapping[str, Profile] = field(default_factory=lambda: {"quick": Profile(), "full": Profile()})
    scenario: str = field(default="", metadata={JSON_SCHEMA: {"pattern": f"^({SCENARIO})?$"}})
    algorithm: AlgorithmName | None = None
    network: tuple[int, ...] = field(default_factory=NoLayers, metadata={JSON_SCHEMA: NETWORK_SCHEMA})
    algorithms: Algorithms = field(default_factory=Algorithms)
    settings: Mapping[str, Any] = field(default_factory=dict)
    seed: int = field(default=0, metadata={JSON_SCHEMA: {"minimum": 0, "maximum": SEEDS_END - 1}})
    resume_floor: Literal["exact", "statistical"] = "statistical"
    backend: BackendName = "local"
    device: Literal["cpu", "cuda", "auto"] = "cpu"
    kaggle: KaggleSettings = field(default_factory=KaggleSettings)
    slurm: SlurmSettings = field(default=SlurmSettings())
    ray: RaySettings = field(default=RaySettings())
    pack: int | Literal["auto"] = field(default=1)
    include: tuple[str, ...] = ()
    trial: bool = False

    def __post_init__(self) -> None:
        for name in ("scenario", "title", "directory"):
            if not getattr(self, name):
                object.__setattr__(self, name, self.section)
        faults = [*start_faults(self.entry_point, self.script), *self._learning_faults(), *self._own_faults()]
        if not {"quick", "full"} <= set(self.profiles):
            faults.append(
                "profiles needs both quick and full: --quick trains with the first, `run` alone with the second"
            )
        faults += name_faults(self.section, self.directory, self.scenario)
        faults += filter(None, (pack_fault(self.pack), *map(include_fault, self.include)))
        if not 0 <= self.seed < SEEDS_END:
            faults.append(f"seed must not be negative or above {SEEDS_END - 1}, not {self.seed}")
        if faults:
            raise ValueError("\n".join(faults))

    def _learning_faults(self) -> list[str]:
        if self.algorithm is None and not self.algorithms.names and not self.network:
            return []
        faults = []
        if min(self.network, default=int(isinstance(self.network, NoLayers))) <= 0:
            faults.append("network needs at least one layer, each with at least one unit; or leave it out")
        if self.algorithm is None:
            faults.append(f"algorithm is missing: it names one of {', '.join(self.algorithms.names) or 'algorithms'}")
        elif self.algorithm not in self.algorithms.names:
            faults.append(f"algorithms must declare {self.algorithm}, the section's algorithm")
        for name, profile in self.profiles.items():
            lacking = [key for key in LEARNING_FIELDS if getattr(profile, key) is None]
            faults += [f"profiles.{name}.{key} is missing: a section with an algorithm needs it" for key in lacking]
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

    @property
    def code_folder(self) -> PurePosixPath:
        """Folder of its script or of its entry point's module, below the project."""
        return code_folder({"script": self.script, "entry_point": self.entry_point})

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
        """Steps by which a training may end beyond its target: a rollout (of episodes: any number) or a save."""
        learning = self.hyper_parameters
        if learning is None:
            return self.profiles[profile].checkpoint_every_steps or 1
        return MOST_STEPS if learning.by_episodes else learning.rollout_steps

    def chosen(self, *, algorithm: str | None = None, seed: int | None = None) -> SectionCard:
        """The section with another algorithm or seed: a trial, unless both equal the card's.

        Raises:
            ValueError: The card declares no such algorithm, or the seed is out of range.
        """
        if algorithm is not None and algorithm not in self.algorithms.names:
            names = ", ".join(self.algorithms.names) or "no algorithms"
            raise ValueError(f"{self.section} declares {names}, not {algorithm}")
        name = cast("AlgorithmName", algorithm) if algorithm is not None else self.algorithm
        wanted = replace(self, algorithm=name, seed=self.seed if seed is None else seed)
        return self if wanted == self else replace(wanted, trial=True)

    def of_kind(self, kind: SessionKind) -> SectionCard:
        """The section in Kaggle sessions of that kind; the lineage is the same."""
        return self if kind is self.kaggle.kind else replace(self, kaggle=self.kaggle.of_kind(kind))

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
    defaults: dict[str, Any] = {"default": one.default, "default_factory": one.default_factory}
    return field(metadata=one.metadata, **{name: value for name, value in defaults.items() if value is not MISSING})
