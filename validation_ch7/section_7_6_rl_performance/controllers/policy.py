"""A learned policy as a controller."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from validation_ch7.section_7_6_rl_performance.controllers.interface import Phases, WithoutMemory
from validation_ch7.traffic.env.observation import observe
from validation_ch7.traffic.env.simulation import CrossingSimulation

Predict = Callable[[npt.NDArray[np.float32]], npt.NDArray[np.integer]]


class PolicyController(WithoutMemory):
    """Sees the fifteen features and nothing else.

    Args:
        predict: From observations (batch, 15) float32 to actions (batch,).
        decision_s: Time between two decisions in s, as in training.
        name: What tables and figures call it.
    """

    def __init__(self, predict: Predict, decision_s: float, name: str = "rl") -> None:
        self.name = name
        self.resolution_s = decision_s
        self._predict = predict

    def decide(self, simulation: CrossingSimulation) -> Phases:
        """What the policy answers to the observation."""
        actions = np.asarray(self._predict(observe(simulation)))
        return actions.astype(np.int64).reshape(simulation.batch)
