"""What a policy sees, and what its actions mean, by the card's key `environment.learning.observation`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from validation_ch7.traffic.env import observation, profile
from validation_ch7.traffic.env.settings import EnvironmentSettings
from validation_ch7.traffic.env.simulation import CrossingSimulation


@dataclass(frozen=True, slots=True, kw_only=True)
class Senses:
    """What a policy sees, and what its actions mean.

    Attributes:
        n_features: Numbers of one observation.
        observe: Returns the observations of a batch, shape (batch, n_features).
        relative: Whether action 1 asks for a change of the phase; otherwise the action is the phase.
    """

    n_features: int
    observe: Callable[[CrossingSimulation], npt.NDArray[np.float32]]
    relative: bool

    def phases(self, simulation: CrossingSimulation, actions: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
        """The phases that actions request now, shape (batch,)."""
        chosen = np.asarray(actions).astype(np.int64).reshape(simulation.batch)
        return chosen ^ simulation.signal.phase if self.relative else chosen


DETECTORS = Senses(n_features=observation.N_FEATURES, observe=observation.observe, relative=False)
SENSES: Mapping[str, Senses] = {
    "detectors": DETECTORS,
    "profile": Senses(n_features=profile.N_FEATURES, observe=profile.observe_profile, relative=True),
}


def senses_of(settings: EnvironmentSettings) -> Senses:
    """What a policy of this card sees."""
    return SENSES[settings.learning.observation]
