"""The interface of a controller.

All controllers act on the same signal hardware (minimum green, yellow, all-red, maximum green) and read the same
simulation; they differ in how often they decide and in which phases they request.
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

Setting = float | Floats
"""A parameter of a controller: one number, or one for each crossing, shape (batch,), to compare candidates at once."""

CLASSICAL_RESOLUTION_S = 1.0
"""Time between two decisions of the classical controllers, in s; a policy decides every 10 s by default."""


class Controller(Protocol):
    """Decides for a batch of crossings, for each from its own scenario only."""

    @property
    def name(self) -> str:
        """Name in tables and figures."""
        ...

    @property
    def resolution_s(self) -> float:
        """Time between two decisions in s; the environment's `decision_s` is a multiple of it."""
        ...

    def begin(self, addresses: Sequence[ScenarioAddress]) -> None:
        """Reset the controller at the start of the scenarios at these addresses."""
        ...

    def decide(self, simulation: CrossingSimulation) -> Phases:
        """Choose the phases to request now, shape (batch,): 0 north-south, 1 east-west."""
        ...


class WithoutMemory:
    """A controller without state."""

    def begin(self, addresses: Sequence[ScenarioAddress]) -> None:
        """Do nothing: there is no state to reset."""


def green_s(simulation: CrossingSimulation) -> Floats:
    """Green so far, 0 during a change, shape (batch,), s."""
    return simulation.signal.green_steps.astype(np.float64) * simulation.settings.traffic.dt_s


def switched_where(simulation: CrossingSimulation, over: npt.NDArray[np.bool_]) -> Phases:
    """The other phase where `over` is True, else the current one, shape (batch,)."""
    phase = simulation.signal.phase
    return np.where(over, 1 - phase, phase)
