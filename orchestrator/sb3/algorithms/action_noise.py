"""Noise on continuous actions during training: declared, built, and kept when a run is cut into sessions.

Ornstein-Uhlenbeck noise depends on its last value. Stable-Baselines3 resets it at each call of `learn`, which an
uncut training calls once and a chain of sessions calls in every session.
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
KNOWN_NOISES = (NormalActionNoise, OrnsteinUhlenbeckActionNoise)


@dataclass(frozen=True, slots=True, kw_only=True)
class NoisePlan:
    """The noise of a lineage, in units of an action from -1 to 1.

    Attributes:
        kind: `normal` for independent draws, `ornstein_uhlenbeck` for correlated noise.
        sigma: Standard deviation (`normal`) or scale (`ornstein_uhlenbeck`).
        theta: Rate of return to zero, per unit of `dt`; for `ornstein_uhlenbeck` only.
        dt: Time step of one decision; for `ornstein_uhlenbeck` only.

    Raises:
        ValueError: The kind is unknown, or `theta` or `dt` does not fit it.
    """

    kind: str
    sigma: float
    theta: float | None = None
    dt: float | None = None

    def __post_init__(self) -> None:
        """Check the kind and its numbers."""
        if self.kind not in (NORMAL, ORNSTEIN_UHLENBECK):
            raise ValueError(f"action_noise.kind is {self.kind!r}; known are {NORMAL}, {ORNSTEIN_UHLENBECK}")
        for name in ("theta", "dt"):
            if (getattr(self, name) is None) is not (self.kind == NORMAL):
                raise ValueError(f"action_noise.{name} is required for {ORNSTEIN_UHLENBECK} and for no other kind")

    def build(self, *, n_envs: int, n_actions: int) -> VectorizedActionNoise:
        """One noise per environment, each of shape (n_actions,).

        Always vectorized: `learn` would do that too, but later and only for more than one environment.
        """
        mean, sigma = np.zeros(n_actions), np.full(n_actions, self.sigma)
        if self.theta is None or self.dt is None:
            return VectorizedActionNoise(NormalActionNoise(mean, sigma), n_envs)
        return VectorizedActionNoise(OrnsteinUhlenbeckActionNoise(mean, sigma, theta=self.theta, dt=self.dt), n_envs)


def drifting_parts(noise: ActionNoise | None) -> list[OrnsteinUhlenbeckActionNoise]:
    """The parts of a noise that have a state.

    Raises:
        ValueError: A part is of an unknown kind, which may have a state that is not captured.
    """
    if noise is None:
        return []
    parts = noise.noises if isinstance(noise, VectorizedActionNoise) else [noise]
    for part in parts:
        if type(part) not in KNOWN_NOISES:
            raise ValueError(f"the action noise {type(part).__name__} is unknown: its state cannot be captured")
    return [part for part in parts if isinstance(part, OrnsteinUhlenbeckActionNoise)]


def capture_noise(noise: ActionNoise | None) -> list[np.ndarray]:
    """Last value of each part that has a state."""
    return [np.array(part.noise_prev) for part in drifting_parts(noise)]


def restore_noise(noise: ActionNoise | None, values: list[np.ndarray]) -> None:
    """Restore the last values.

    Raises:
        ValueError: Their number is not the number of parts.
    """
    for part, value in zip(drifting_parts(noise), values, strict=True):
        part.noise_prev = np.array(value)


class KeptNoise:
    """Mixin for an algorithm with action noise: `learn` keeps the state of the noise."""

    action_noise: ActionNoise | None

    def _setup_learn(self, *args: Any, **settings: Any) -> Any:
        kept = capture_noise(self.action_noise)
        prepared = super()._setup_learn(*args, **settings)  # type: ignore[misc]  # the algorithm comes after
        restore_noise(self.action_noise, kept)
        return prepared
