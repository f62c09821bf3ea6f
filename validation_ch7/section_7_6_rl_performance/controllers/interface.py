"""What a controller is.

All controllers act on the same signal hardware (minimum green, yellow, all-red, maximum green) and see the same
simulation; they differ in how often they look and in what they ask for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from validation_ch7.traffic.env.simulation import CrossingSimulation
from validation_ch7.traffic.model.arz import Floats
from validation_ch7.traffic.model.demand import ScenarioAddress

Phases = npt.NDArray[np.int64]

CLASSICAL_RESOLUTION_S = 1.0
"""How often the classical controllers look, in s: ten times as often as a policy that decides every 10 s."""


class Controller(Protocol):
    """Decides for a whole batch of crossings, each from its own scenario alone."""

    @property
    def name(self) -> str:
        """What tables and figures call it."""
        ...

    @property
    def resolution_s(self) -> float:
        """Time between two decisions in s; the environment's `decision_s` is a multiple of it."""
        ...

    def begin(self, addresses: Sequence[ScenarioAddress]) -> None:
        """Forget everything: the scenarios at these addresses begin."""
        ...

    def decide(self, simulation: CrossingSimulation) -> Phases:
        """Choose the phases to ask for now, shape (batch,): 0 north-south, 1 east-west."""
        ...


class WithoutMemory:
    """A controller that knows nothing but what it sees now."""

    def begin(self, addresses: Sequence[ScenarioAddress]) -> None:
        """Nothing to forget."""


def green_s(simulation: CrossingSimulation) -> Floats:
    """Green so far, 0 during a change, shape (batch,), s."""
    return simulation.signal.green_steps.astype(np.float64) * simulation.settings.traffic.dt_s


def switched_where(simulation: CrossingSimulation, over: npt.NDArray[np.bool_]) -> Phases:
    """The other phase where the present one is over, shape (batch,)."""
    phase = simulation.signal.phase
    return np.where(over, 1 - phase, phase)
