"""An entry of an RL Zoo file, understood: what it trains, on which environment, with which arguments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from orchestrator.core.zoo.algorithms import Algorithm

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Linear:
    """`lin_X`: a value that falls from `start` to 0 over the whole training."""

    start: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassCall:
    """A class that an entry names by its path, with its arguments: a wrapper, a callback or a policy.

    Attributes:
        module: Where it is imported from.
        name: Its name there.
        arguments: By name, beside the object that it wraps.
    """

    module: str
    name: str
    arguments: Mapping[str, Any]

    @property
    def path(self) -> str:
        """Module and name, with a dot."""
        return f"{self.module}.{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Noise:
    """Noise on the actions.

    Attributes:
        kind: Its kind, in the words of a card.
        sigma: Standard deviation, or scale, in units of the action.
    """

    kind: Literal["normal", "ornstein_uhlenbeck"]
    sigma: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ZooEntry:
    """An entry.

    Attributes:
        algorithm: What trains.
        n_timesteps: Steps of the whole training, summed over environments; None if the entry has none.
        n_envs: Environments stepped together.
        policy: Short name of a policy of the algorithm, or a class.
        normalize: Arguments of `VecNormalize`; None without normalization.
        frame_stack: Observations that are stacked; None without.
        env_wrapper: Wrappers of each environment, the innermost first.
        vec_env_wrapper: Wrappers of all environments together, the innermost first.
        env_kwargs: Arguments of the environment.
        monitor_kwargs: Arguments of stable-baselines3's `Monitor`.
        callbacks: Callbacks beside those of RL Zoo itself.
        noise: Noise on the actions; None without.
        arguments: All other arguments of the algorithm, by name.
        notes: What of an older form is left out because the library has it no longer, one sentence each.
    """

    algorithm: Algorithm
    n_timesteps: int | None
    n_envs: int = 1
    policy: str | ClassCall = "MlpPolicy"
    normalize: Mapping[str, Any] | None = None
    frame_stack: int | None = None
    env_wrapper: tuple[ClassCall, ...] = ()
    vec_env_wrapper: tuple[ClassCall, ...] = ()
    env_kwargs: Mapping[str, Any]
    monitor_kwargs: Mapping[str, Any]
    callbacks: tuple[ClassCall, ...] = ()
    noise: Noise | None = None
    arguments: Mapping[str, Any]
    notes: tuple[str, ...] = ()

    @property
    def calls(self) -> tuple[ClassCall, ...]:
        """All classes that the entry names by their path."""
        own = tuple(one for one in (self.policy, *self.arguments.values()) if isinstance(one, ClassCall))
        return (*self.env_wrapper, *self.vec_env_wrapper, *self.callbacks, *own)

    @property
    def falling(self) -> tuple[str, ...]:
        """Arguments that fall to 0 over the whole training."""
        return tuple(name for name, value in self.arguments.items() if isinstance(value, Linear))


class EntryFaults(ValueError):
    """What cannot be understood of an entry.

    Attributes:
        faults: Place in the entry -> sentence.
    """

    def __init__(self, faults: Mapping[Path, str]) -> None:
        super().__init__("\n".join(f"{'.'.join(map(str, path))}: {text}" for path, text in faults.items()))
        self.faults = dict(faults)
