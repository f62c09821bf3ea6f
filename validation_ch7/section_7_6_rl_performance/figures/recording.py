"""Records one scenario under one controller, step by step, for the figures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from validation_ch7.section_7_6_rl_performance.controllers.interface import Controller
from validation_ch7.traffic.env.settings import EnvironmentSettings
from validation_ch7.traffic.env.simulation import CrossingSimulation
from validation_ch7.traffic.model.arz import Floats
from validation_ch7.traffic.model.demand import ScenarioAddress, draw_scenario
from validation_ch7.traffic.numba_kernel.constants import N_APPROACHES, N_LINKS
from validation_ch7.traffic.signal.two_phase import N_PHASES, TwoPhaseSignal

RED, YELLOW, GREEN = 0, 1, 2
APPROACH_NAMES = ("north", "south", "east", "west")

Lamps = npt.NDArray[np.int8]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trace:
    """Recording of one crossing. State arrays have one row more than steps: the first is the initial state.

    Attributes:
        controller: Name of the controller.
        address: Address of the scenario.
        settings: The crossing.
        density_veh_m: Densities, shape (steps + 1, 8, cells), veh/m; links 0-3 are the approaches from N, S, E, W,
            and link 4 + i is the exit that approach i leads to.
        queue_veh: Vehicles that wait to enter each approach, shape (steps + 1, 4).
        arrived_veh: Vehicles that arrived at each approach so far, shape (steps + 1, 4).
        delay_veh_s: Delay so far, shape (steps + 1,), vehicle-seconds.
        lamps: Red, yellow or green of each axis (north-south, east-west) during each step, shape (steps, 2).
    """

    controller: str
    address: ScenarioAddress
    settings: EnvironmentSettings
    density_veh_m: Floats
    queue_veh: Floats
    arrived_veh: Floats
    delay_veh_s: Floats
    lamps: Lamps

    @property
    def n_steps(self) -> int:
        """Number of solver steps."""
        return len(self.lamps)

    def delay_s_per_veh(self) -> Floats:
        """Delay so far per vehicle that arrived so far, shape (steps + 1,), s; 0 before the first vehicle."""
        delay_s: Floats = self.delay_veh_s / np.maximum(self.arrived_veh.sum(axis=1), 1.0)
        return delay_s

    def passed_veh(self, cells: int) -> Floats:
        """Vehicles that have left the first `cells` cells of each approach so far, shape (steps + 1, 4).

        Arrived vehicles minus those that wait to enter and those still in these cells: the count of a detector at
        the end of these cells.
        """
        inside = self.density_veh_m[:, :N_APPROACHES, :cells].sum(axis=2) * self.settings.traffic.dx_m
        counted: Floats = self.arrived_veh - self.queue_veh - inside
        return counted


def record(controller: Controller, *, settings: EnvironmentSettings, address: ScenarioAddress) -> Trace:
    """Run a controller in a scenario exactly as in an evaluation, and record every step.

    Raises:
        ValueError: The controller's resolution is not a whole number of solver steps.
    """
    traffic, steps = settings.traffic, settings.steps("episode_s")
    steps_per_decision = settings.steps_in(controller.resolution_s)
    scenario = draw_scenario(address, episode_s=settings.episode_s, vf_m_s=traffic.vf_m_s)
    simulation = CrossingSimulation(settings, [scenario])
    density = np.zeros((steps + 1, N_LINKS, traffic.n_cells))
    queue, arrived = np.zeros((steps + 1, N_APPROACHES)), np.zeros((steps + 1, N_APPROACHES))
    delay, lamps = np.zeros(steps + 1), np.empty((steps, N_PHASES), dtype=np.int8)
    controller.begin([address])
    for step in range(steps):
        if step % steps_per_decision == 0:
            simulation.request(controller.decide(simulation))
        lamps[step] = _lamps(simulation.signal)
        simulation.advance(1)
        density[step + 1] = simulation.traffic.rho
        queue[step + 1] = simulation.traffic.queue_veh
        arrived[step + 1] = simulation.traffic.arrived_veh
        delay[step + 1] = simulation.traffic.delay_veh_s()[0]
    return Trace(
        controller=controller.name,
        address=address,
        settings=settings,
        density_veh_m=density,
        queue_veh=queue,
        arrived_veh=arrived,
        delay_veh_s=delay,
        lamps=lamps,
    )


def _lamps(signal: TwoPhaseSignal) -> tuple[int, int]:
    """The current lamps of both axes; during a change `signal.phase` is already the next phase."""
    phase = int(signal.phase[0])
    if signal.change_steps_left[0] == 0:
        lit, colour = phase, GREEN
    else:
        lit, colour = 1 - phase, YELLOW if signal.is_yellow()[0] else RED
    return (colour, RED) if lit == 0 else (RED, colour)
