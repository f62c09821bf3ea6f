"""Trivial controllers; a policy that does not beat them has learned nothing, or the measurement is wrong."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from validation_ch7.section_7_6_rl_performance.controllers.interface import Phases, WithoutMemory
from validation_ch7.traffic.env.simulation import CrossingSimulation
from validation_ch7.traffic.model.demand import ScenarioAddress
from validation_ch7.traffic.signal.two_phase import EAST_WEST, N_PHASES, NORTH_SOUTH

_PURPOSE_RANDOM_CONTROLLER = 1


class ConstantController(WithoutMemory):
    """Always requests the same phase; only the signal's maximum green lets the other axis pass.

    Args:
        phase: The requested phase.
        resolution_s: Time between two requests in s.

    Raises:
        ValueError: There is no such phase.
    """

    def __init__(self, phase: int, resolution_s: float = 10.0) -> None:
        if phase not in (NORTH_SOUTH, EAST_WEST):
            raise ValueError(f"phase must be 0 or 1, not {phase}")
        self.name = "constant_ns" if phase == NORTH_SOUTH else "constant_ew"
        self.resolution_s = resolution_s
        self._phase = phase

    def decide(self, simulation: CrossingSimulation) -> Phases:
        """The same phase for every crossing."""
        return np.full(simulation.batch, self._phase, dtype=np.int64)


class RandomController:
    """Requests one of the two phases with equal probability.

    Each scenario has its own random stream, so that it gets the same requests in every batch.

    Args:
        seed: Seed of the streams.
        resolution_s: Time between two requests in s.
    """

    def __init__(self, seed: int, resolution_s: float = 10.0) -> None:
        self.name = "random"
        self.resolution_s = resolution_s
        self._seed = seed
        self._streams: list[np.random.Generator] = []

    def begin(self, addresses: Sequence[ScenarioAddress]) -> None:
        """Restart every scenario's stream."""
        self._streams = [address.generator(_PURPOSE_RANDOM_CONTROLLER, self._seed) for address in addresses]

    def decide(self, simulation: CrossingSimulation) -> Phases:
        """One draw from each scenario's stream."""
        return np.array([stream.integers(N_PHASES) for stream in self._streams], dtype=np.int64)
