"""What is added to continuous actions while training: declared, built, and kept where a run is cut.

Ornstein-Uhlenbeck noise remembers its last value. Stable-Baselines3 puts it back to the beginning at each call of
`learn`, which a training in one session makes once and a chain makes in every session.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from stable_baselines3.common.noise import (
    ActionNoise,
    NormalActionNoise,
    OrnsteinUhlenbeckActionNoise,
    VectorizedActionNoise,
)

NORMAL, ORNSTEIN_UHLENBECK = "normal", "ornstein_uhlenbeck"


@dataclass(frozen=True, slots=True, kw_only=True)
class NoisePlan:
    """The noise of a lineage, in units of an action that goes from -1 to 1.

    Attributes:
        kind: `normal` for independent draws, `ornstein_uhlenbeck` for noise that drifts.
        sigma: Scale.
        theta: Rate of return to zero, per unit of `dt`; only of drifting noise.
        dt: Time that a decision takes for the noise; only of drifting noise.

    Raises:
        ValueError: The kind is unknown, or the numbers are not those of the kind.
    """

    kind: str
    sigma: float
    theta: float | None = None
    dt: float | None = None

    def __post_init__(self) -> None:
        """Refuse what would be ignored or guessed."""
        if self.kind not in (NORMAL, ORNSTEIN_UHLENBECK):
            raise ValueError(f"action_noise.kind is {self.kind!r}; known are {NORMAL}, {ORNSTEIN_UHLENBECK}")
        for name in ("theta", "dt"):
            if (getattr(self, name) is None) is not (self.kind == NORMAL):
                raise ValueError(f"action_noise.{name} belongs to {ORNSTEIN_UHLENBECK}, and to it alone")

    def build(self, *, n_envs: int, n_actions: int) -> VectorizedActionNoise:
        """One noise per environment, each of `n_actions` values.

        Always vectorized, since `learn` would do that anyway, later and only for more than one environment.
        """
        mean, sigma = np.zeros(n_actions), np.full(n_actions, self.sigma)
        if self.theta is None or self.dt is None:
            return VectorizedActionNoise(NormalActionNoise(mean, sigma), n_envs)
        drifting = OrnsteinUhlenbeckActionNoise(mean, sigma, theta=self.theta, dt=self.dt)
        return VectorizedActionNoise(drifting, n_envs)


def drifting_parts(noise: ActionNoise | None) -> list[OrnsteinUhlenbeckActionNoise]:
    """The parts of a noise that remember something.

    Raises:
        ValueError: A part is of a kind that nobody here knows: it may remember something.
    """
    if noise is None:
        return []
    parts = noise.noises if isinstance(noise, VectorizedActionNoise) else [noise]
    for part in parts:
        if type(part) not in (NormalActionNoise, OrnsteinUhlenbeckActionNoise):
            raise ValueError(f"the action noise {type(part).__name__} may have a state that nothing here captures")
    return [part for part in parts if isinstance(part, OrnsteinUhlenbeckActionNoise)]


def capture_noise(noise: ActionNoise | None) -> list[np.ndarray]:
    """Last value of each part that remembers one."""
    return [np.array(part.noise_prev) for part in drifting_parts(noise)]


def restore_noise(noise: ActionNoise | None, values: list[np.ndarray]) -> None:
    """Put the last values back.

    Raises:
        ValueError: There are others than the noise has parts.
    """
    for part, value in zip(drifting_parts(noise), values, strict=True):
        part.noise_prev = np.array(value)


class KeptNoise:
    """Mixed in before an algorithm with a replay buffer: `learn` goes on with the noise as it stands."""

    action_noise: ActionNoise | None

    def _setup_learn(self, *args: Any, **settings: Any) -> Any:
        kept = capture_noise(self.action_noise)
        prepared = super()._setup_learn(*args, **settings)  # type: ignore[misc]  # the algorithm comes after
        restore_noise(self.action_noise, kept)
        return prepared
