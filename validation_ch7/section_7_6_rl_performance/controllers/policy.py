"""A learned policy as a controller."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from validation_ch7.section_7_6_rl_performance.controllers.interface import Phases, WithoutMemory
from validation_ch7.traffic.env.senses import DETECTORS, Senses
from validation_ch7.traffic.env.simulation import CrossingSimulation

Predict = Callable[[npt.NDArray[np.float32]], npt.NDArray[np.integer]]


class PolicyController(WithoutMemory):
    """Decides from an observation.

    Args:
        predict: Maps observations, shape (batch, features) float32, to actions, shape (batch,).
        decision_s: Time between two decisions in s, as in training.
        name: Name in tables and figures.
        senses: What it sees, and what its actions mean, as in training.
    """

    def __init__(self, predict: Predict, decision_s: float, name: str = "rl", senses: Senses = DETECTORS) -> None:
        self.name = name
        self.resolution_s = decision_s
        self._predict = predict
        self._senses = senses

    def decide(self, simulation: CrossingSimulation) -> Phases:
        """The phases that the policy asks for."""
        return self._senses.phases(simulation, np.asarray(self._predict(self._senses.observe(simulation))))
