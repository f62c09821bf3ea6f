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
    """Decides from the fifteen features of an observation.

    Args:
        predict: Maps observations, shape (batch, 15) float32, to actions, shape (batch,).
        decision_s: Time between two decisions in s, as in training.
        name: Name in tables and figures.
    """

    def __init__(self, predict: Predict, decision_s: float, name: str = "rl") -> None:
        self.name = name
        self.resolution_s = decision_s
        self._predict = predict

    def decide(self, simulation: CrossingSimulation) -> Phases:
        """The policy's actions for the current observations."""
        actions = np.asarray(self._predict(observe(simulation)))
        return actions.astype(np.int64).reshape(simulation.batch)
