"""Who asks the signal for which phase: the learned policy and everything it is compared with.

All controllers act on the same signal hardware (minimum green, change interval, maximum green) and see the same
simulation; they differ in how often they look and in what they ask for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from validation_ch7.traffic.demand import ScenarioAddress
from validation_ch7.traffic.observation import observe
from validation_ch7.traffic.signal import EAST_WEST, N_PHASES, NORTH_SOUTH
from validation_ch7.traffic.simulation import CrossingSimulation

Phases = npt.NDArray[np.int64]
Predict = Callable[[npt.NDArray[np.float32]], npt.NDArray[np.integer]]

_PURPOSE_RANDOM_CONTROLLER = 1


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


class FixedTimeController:
    """A fixed plan: so much green for the one axis, so much for the other, whatever arrives.

    Args:
        green_ns_s: Green for north-south in whole seconds.
        green_ew_s: Green for east-west in whole seconds.

    Raises:
        ValueError: A green is no whole number of seconds above zero.
    """

    resolution_s = 1.0

    def __init__(self, green_ns_s: float, green_ew_s: float) -> None:
        for green_s in (green_ns_s, green_ew_s):
            if green_s <= 0 or green_s != int(green_s):
                raise ValueError(f"a green of {green_s} s is not a whole number of seconds above zero")
        self.name = "fixed_time"
        self.green_ns_s = float(green_ns_s)
        self.green_ew_s = float(green_ew_s)

    def begin(self, addresses: Sequence[ScenarioAddress]) -> None:
        """A plan has no memory: the signal knows how long it has been green."""

    def decide(self, simulation: CrossingSimulation) -> Phases:
        """The other phase once the present one has had its green."""
        signal = simulation.signal
        planned_s = np.where(signal.phase == NORTH_SOUTH, self.green_ns_s, self.green_ew_s)
        over = signal.green_steps * simulation.settings.traffic.dt_s >= planned_s
        return np.where(over, 1 - signal.phase, signal.phase)


class ConstantController:
    """Always asks for the same phase; only the maximum green makes it let the others pass.

    Args:
        phase: The one it asks for.
        resolution_s: Time between two requests in s.

    Raises:
        ValueError: There is no such phase.
    """

    def __init__(self, phase: int, resolution_s: float = 10.0) -> None:
        if phase not in (NORTH_SOUTH, EAST_WEST):
            raise ValueError(f"phase is {phase}, and must be 0 or 1")
        self.name = "constant_ns" if phase == NORTH_SOUTH else "constant_ew"
        self.resolution_s = resolution_s
        self._phase = phase

    def begin(self, addresses: Sequence[ScenarioAddress]) -> None:
        """Nothing to forget."""

    def decide(self, simulation: CrossingSimulation) -> Phases:
        """The one phase."""
        return np.full(simulation.batch, self._phase, dtype=np.int64)


class RandomController:
    """Asks for either phase with equal chance.

    Each scenario has a random stream of its own, so that a scenario meets the same requests in every batch.

    Args:
        seed: Chooses the streams.
        resolution_s: Time between two requests in s.
    """

    def __init__(self, seed: int, resolution_s: float = 10.0) -> None:
        self.name = "random"
        self.resolution_s = resolution_s
        self._seed = seed
        self._streams: list[np.random.Generator] = []

    def begin(self, addresses: Sequence[ScenarioAddress]) -> None:
        """Start every scenario's stream anew."""
        self._streams = [address.generator(_PURPOSE_RANDOM_CONTROLLER, self._seed) for address in addresses]

    def decide(self, simulation: CrossingSimulation) -> Phases:
        """One draw from each scenario's stream."""
        return np.array([stream.integers(N_PHASES) for stream in self._streams], dtype=np.int64)


class PolicyController:
    """A learned policy: sees the fifteen features and nothing else.

    Args:
        predict: From observations (batch, 15) float32 to actions (batch,).
        decision_s: Time between two decisions in s, as in training.
        name: What tables and figures call it.
    """

    def __init__(self, predict: Predict, decision_s: float, name: str = "rl") -> None:
        self.name = name
        self.resolution_s = decision_s
        self._predict = predict

    def begin(self, addresses: Sequence[ScenarioAddress]) -> None:
        """The policy has no memory."""

    def decide(self, simulation: CrossingSimulation) -> Phases:
        """What the policy answers to the observation."""
        actions = np.asarray(self._predict(observe(simulation)))
        return actions.astype(np.int64).reshape(simulation.batch)
