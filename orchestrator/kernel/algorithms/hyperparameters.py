"""Hyper-parameters of each algorithm: keys of a section's card, and of the spec that a session reads.

Each block has the keys of `HyperParameters`, and every argument of the algorithm's constructor under the library's own
name. Arguments that are left out have the library's defaults. Steps are decisions, summed over environments. An
optional key that is left out is not part of the lineage, so a new optional key changes no lineage id.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, make_dataclass
from typing import Any, ClassVar, Literal

from orchestrator.kernel.algorithms.block_checks import LIMITS, TEXTS, faults_of
from orchestrator.kernel.algorithms.plans import (
    JSON_SCHEMA,
    Block,
    LinearPlan,
    NoisePlan,
    NormalizePlan,
    Rate,
    linear_start,
)
from orchestrator.kernel.algorithms.policies import ActivationName, PolicyKwargs, Wrappers
from orchestrator.kernel.algorithms.registry import REGISTRY, Algorithm, Argument, Learns, constructor_of
from orchestrator.kernel.schema import read

_RATES = ("learning_rate", "clip_range", "clip_range_vf", "delta_std")


@dataclass(frozen=True, slots=True, kw_only=True)
class HyperParameters(Block):
    """Keys of every algorithm's block, beside the arguments of its constructor.

    Attributes:
        n_envs: Environments stepped together.
        selection_scenarios: Number of tuning scenarios on which the best model is chosen during training.
        normalize: Running normalization of observations and rewards; `true` for both with the library's defaults.
        frame_stack: Newest observations that the policy sees together.
        env_wrapper: Classes around each environment: path, {path: arguments}, or a list of these, innermost first.
        vec_env_wrapper: Classes around all environments together, inside the normalization; as `env_wrapper`.
    """

    algorithm: ClassVar[str]

    n_envs: int = field(default=1, metadata=LIMITS["n_envs"])
    selection_scenarios: int = field(default=20, metadata=LIMITS["selection_scenarios"])
    normalize: bool | NormalizePlan | None = None
    frame_stack: int | None = field(default=None, metadata=LIMITS["frame_stack"])
    env_wrapper: Wrappers | None = None
    vec_env_wrapper: Wrappers | None = None

    if typing.TYPE_CHECKING:  # the arguments of a constructor are fields of the generated classes

        def __getattr__(self, name: str) -> Any: ...

    @property
    def entry(self) -> Algorithm:
        """The algorithm's line in the registry."""
        return REGISTRY[self.algorithm]

    @property
    def arguments(self) -> dict[str, Any]:
        """The constructor's arguments that the card gives, except `policy_kwargs`, in the card's words."""
        names = (name for name in constructor_of(self.algorithm).arguments if name != "policy_kwargs")
        found = {name: getattr(self, name) for name in names}
        return {name: value for name, value in found.items() if value is not None}

    def value(self, name: str) -> Any:
        """A constructor's argument: the card's, or the library's default; None if there is no such argument."""
        given = getattr(self, name, None)
        argument = constructor_of(self.algorithm).arguments.get(name)
        return argument.default if given is None and argument else given

    @property
    def policy_name(self) -> str:
        """Name of the policy; default: the first of the algorithm's."""
        given: str | None = self.policy
        return given or next(iter(constructor_of(self.algorithm).policies))

    @property
    def normalization(self) -> NormalizePlan | None:
        """The running normalization, None without one."""
        if isinstance(self.normalize, NormalizePlan):
            return self.normalize
        return NormalizePlan() if self.normalize else None

    @property
    def by_episodes(self) -> bool:
        """Whether a rollout is a number of episodes, so that its steps are known only when they have ended."""
        return self.entry.learns is Learns.CANDIDATES or not isinstance(self.value("train_freq"), int | None)

    @property
    def rollout_steps(self) -> int:
        """Steps between two safe boundaries; a training overshoots its target by less than this.

        If a rollout is a number of episodes, the steps of one decision: the boundaries are then at unknown steps.
        """
        if self.by_episodes:
            return self.n_envs
        decisions: int = self.value("train_freq" if self.entry.has_replay else "n_steps")
        return self.n_envs * decisions

    @property
    def plans(self) -> tuple[LinearPlan, ...]:
        """Schedules with steps of their own."""
        found = [getattr(self, name, None) for name in (*_RATES, "exploration")]
        return tuple(one for one in found if isinstance(one, LinearPlan))

    @property
    def follows_target(self) -> bool:
        """Whether a schedule spans the whole training, so that another target is another training."""
        explores = "exploration_fraction" in constructor_of(self.algorithm).arguments
        linear = any(linear_start(getattr(self, name, None)) is not None for name in _RATES)
        return linear or (explores and self.exploration is None)

    @property
    def horizon_steps(self) -> int:
        """Step at which every schedule with steps of its own has reached its end; 1 without one."""
        return max((one.over_steps for one in self.plans), default=1)

    def faults(self) -> Iterator[str]:
        """Values that are not allowed, one sentence each."""
        yield from Block.faults(self)
        yield from faults_of(typing.cast("Any", self))


_KIND_OF_WORD: Mapping[str, Any] = {
    "number": float,
    "integer": int,
    "boolean": bool,
    "text": str,
    "class": str,
    "mapping": Mapping[str, Any],
    "layers": tuple[int, ...],
    "layers by network": Mapping[str, tuple[int, ...]],
    "frequency": tuple[int, Literal["step", "episode"]],
    "goal strategy": Literal["future", "final", "episode"],
    "noise": NoisePlan,
    "none": None,
}
"""Word of `constructors.json` -> type of a card's value."""

_KIND_OF_NAME: Mapping[str, Any] = {"activation_fn": ActivationName}
_MORE: Mapping[str, tuple[tuple[str, Any], ...]] = {
    "DQN": (("exploration", LinearPlan),),
    "QRDQN": (("exploration", LinearPlan), ("n_quantiles", int)),
}
"""Algorithm -> keys that are no arguments of its constructor."""


def _kind(name: str, argument: Argument) -> Any:
    if name in _KIND_OF_NAME:
        return _KIND_OF_NAME[name]
    if "schedule" in argument.types:
        members = [Rate, *((None,) if "none" in argument.types else ())]
    else:  # in a fixed order, so that messages do not change between two processes
        members = [kind for word, kind in _KIND_OF_WORD.items() if word in argument.types]
    return typing.Union[tuple(members)]  # noqa: UP007  # of a computed tuple


def _field(name: str, argument: Argument | None = None) -> Any:
    limits = dict(LIMITS.get(name, {}))
    if argument is not None and argument.default is not None:
        limits[JSON_SCHEMA] = {**limits.get(JSON_SCHEMA, {}), "default": argument.default}
    return field(default=None, metadata=limits)


def _documented(summary: str, names: typing.Iterable[str], base: str | None) -> str:
    inherited = (base or "").partition("Attributes:\n")[2].rstrip()
    lines = [f"        {name}: {TEXTS[name]}" for name in names if name in TEXTS]
    return "\n".join(
        [f"{summary}\n", "    Attributes:", *([f"        {inherited.lstrip()}"] if inherited else []), *lines]
    )


def _block(name: str, summary: str, wanted: list[tuple[str, Any, Any]], base: type[Any], **more: Any) -> type[Any]:
    text = _documented(summary, [one[0] for one in wanted], base.__doc__ if base is HyperParameters else None)
    return make_dataclass(
        name,
        wanted,
        bases=(base,),
        namespace={"__module__": __name__, "__doc__": text, **more},
        frozen=True,
        slots=True,
        kw_only=True,
    )


def _of_algorithm(name: str) -> type[HyperParameters]:
    """The block of an algorithm: the keys of every block, and the arguments of its constructor and its policy."""
    constructor = constructor_of(name)
    inner = [(one, _kind(one, argument), _field(one, argument)) for one, argument in constructor.policy_kwargs.items()]
    policy = _block(f"{name}PolicyKwargs", f"Arguments of {name}'s policy.", inner, PolicyKwargs)
    wanted = [
        (one, _kind(one, argument), _field(one, argument))
        for one, argument in constructor.arguments.items()
        if one != "policy_kwargs"
    ]
    wanted += [(one, kind, _field(one)) for one, kind in _MORE.get(name, ())]
    names: Any = tuple(constructor.policies)
    choices, default = Literal[names], Argument(types=frozenset({"text"}), default=names[0])
    wanted += [("policy", choices, _field("policy", default)), ("policy_kwargs", policy, _field("policy_kwargs"))]
    kind: type[HyperParameters] = _block(
        f"{name}HyperParameters", f"Hyper-parameters of {name}.", wanted, HyperParameters, algorithm=name
    )
    return kind


KINDS: Mapping[str, type[HyperParameters]] = types.MappingProxyType({name: _of_algorithm(name) for name in REGISTRY})
"""Name of an algorithm -> its hyper-parameters."""

AlgorithmName = Literal[
    "DQN", "QRDQN", "PPO", "A2C", "SAC", "TD3", "DDPG", "TQC", "CrossQ", "TRPO", "RecurrentPPO", "MaskablePPO", "ARS",
]  # fmt: skip
"""The names in the registry."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Declared:
    @property
    def names(self) -> tuple[str, ...]:
        """Names of the declared algorithms."""
        return tuple(one.name for one in fields(self) if getattr(self, one.name) is not None)


if typing.TYPE_CHECKING:
    Algorithms = _Declared
else:
    Algorithms = make_dataclass(
        "Algorithms",
        [(name, kind | None, None) for name, kind in KINDS.items()],
        bases=(_Declared,),
        namespace={
            "__module__": __name__,
            "__doc__": "Hyper-parameters of each algorithm that a section declares; at least those of its own.",
        },
        frozen=True,
        slots=True,
        kw_only=True,
    )


def read_hyper_parameters(algorithm: str, plain: Mapping[str, Any]) -> HyperParameters:
    """Read the block `hyper_parameters` of a lineage.

    Raises:
        ValueError: The algorithm or a key is unknown, or a value is not allowed; the message names it.
    """
    if algorithm not in KINDS:
        raise ValueError(f"lineage.algorithm is {algorithm!r}; known are {', '.join(KINDS)}")
    return read(KINDS[algorithm], plain, place="hyper_parameters")
