"""Noise on continuous actions during training: built, and kept when a run is cut into sessions.

Ornstein-Uhlenbeck noise depends on its last value. Stable-Baselines3 resets it at each call of `learn`, which an
uncut training calls once and a chain of sessions calls in every session.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from stable_baselines3.common.noise import (
    ActionNoise,
    NormalActionNoise,
    OrnsteinUhlenbeckActionNoise,
    VectorizedActionNoise,
)

from orchestrator.kernel.algorithms.plans import NoisePlan

KNOWN_NOISES = (NormalActionNoise, OrnsteinUhlenbeckActionNoise)


def build_noise(plan: NoisePlan, *, n_envs: int, n_actions: int) -> VectorizedActionNoise:
    """One noise per environment, each of shape (n_actions,).

    Always vectorized: `learn` would do that too, but later and only for more than one environment.
    """
    mean, sigma = np.zeros(n_actions), np.full(n_actions, plan.sigma)
    if plan.theta is None or plan.dt is None:
        return VectorizedActionNoise(NormalActionNoise(mean, sigma), n_envs)
    return VectorizedActionNoise(OrnsteinUhlenbeckActionNoise(mean, sigma, theta=plan.theta, dt=plan.dt), n_envs)


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
