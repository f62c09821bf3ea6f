"""Our candidates: the whole environment, the solver beside others of the same scheme, and the cross-check."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch

from tests.bench.rounds import Candidate, keep_busy
from tests.bench.task import CELLS_PER_DECISION, ENVIRONMENT, SETTINGS, constant_demand, phase_of
from tests.bench.torch_crossing import TorchCrossing
from tests.unit.validation_ch7.traffic.plain_crossing import PlainCrossing
from validation_ch7.traffic.env.simulation import CrossingSimulation
from validation_ch7.traffic.env.vec_env import TrafficSignalVecEnv
from validation_ch7.traffic.model.demand import ScenarioAddress, Split, draw_scenarios

BATCHES = (1, 16, 64, 256, 1024)
CHECKED_HOURS = 20


class PooledVecEnv(TrafficSignalVecEnv):
    """The environment with its blocks divided among threads; trainings use one thread."""

    pool: ThreadPoolExecutor | None = None

    def _new_simulation(self) -> CrossingSimulation:
        simulation = super()._new_simulation()
        simulation._pool = self.pool
        return simulation


def environment(batch: int, seconds: float, pool: ThreadPoolExecutor | None = None) -> Candidate:
    """The whole `VecEnv.step`: requests, traffic, reward, observation, infos, new episodes with their demand."""
    env = PooledVecEnv(n_envs=batch, seed=0, environment=ENVIRONMENT)
    env.pool = pool
    env.reset()
    actions = np.random.default_rng(0).integers(0, 2, (16, batch))
    calls = 0

    def act() -> int:
        nonlocal calls
        calls += 1
        env.step(actions[calls % 16])
        return batch

    act()  # compile before the measurement
    return keep_busy(act, seconds)


def solvers(batch: int, seconds: float) -> dict[str, Candidate]:
    """Three implementations of the same scheme, without the environment."""
    plain, tensors = PlainCrossing(SETTINGS.traffic, batch), TorchCrossing(SETTINGS.traffic, batch)
    acts = {
        f"numba kernel, {batch}": _kernel(batch),
        f"numpy, whole arrays, {batch}": _stepwise(plain, batch, tensors=False),
        f"torch, whole tensors, {batch}": _stepwise(tensors, batch, tensors=True),
    }
    for act in acts.values():
        act()
    return {name: keep_busy(act, seconds) for name, act in acts.items()}


def _kernel(batch: int) -> Callable[[], int]:
    addresses = [ScenarioAddress(split=Split.TRAINING, index=index) for index in range(batch)]
    scenarios = draw_scenarios(addresses, episode_s=SETTINGS.episode_s, vf_m_s=SETTINGS.traffic.vf_m_s)
    simulation = CrossingSimulation(SETTINGS, scenarios)
    steps, initial_state = SETTINGS.steps("decision_s"), simulation.get_state()

    def act() -> int:
        if simulation.steps_done >= SETTINGS.steps("episode_s"):
            simulation.set_state(initial_state)
        simulation.request(np.full(batch, phase_of(simulation.steps_done // steps)))
        simulation.advance(steps)
        return batch

    return act


def _stepwise(crossing: PlainCrossing | TorchCrossing, batch: int, *, tensors: bool) -> Callable[[], int]:
    """A solver that takes one step per call."""
    generator = np.random.default_rng(0)
    p = SETTINGS.traffic
    inflow = generator.uniform(0.0, 0.15, 4 * batch) * p.dt_s
    w_in = p.vf_m_s * generator.uniform(0.8, 1.0, 4 * batch)
    gates = [np.repeat(pattern, batch) for pattern in ((1.0, 1.0, 0.0, 0.0), (0.0, 0.0, 1.0, 1.0))]
    inputs = [[torch.from_numpy(x) if tensors else x for x in (gate, inflow, w_in)] for gate in gates]
    calls = 0

    def act() -> int:
        nonlocal calls
        calls += 1
        for _ in range(SETTINGS.steps("decision_s")):
            # Three arrays, in the order of the arguments.
            crossing.advance(*inputs[phase_of(calls)])  # type: ignore[arg-type]
        return batch

    return act


def checked_delay() -> tuple[float, float]:
    """The task's constant demand under alternating greens.

    Returns:
        Mean delay per vehicle in s over hours of different arrivals, and vehicles per hour.
    """
    simulation = CrossingSimulation(SETTINGS, [constant_demand(index) for index in range(CHECKED_HOURS)])
    for decision in range(SETTINGS.decisions_per_episode):
        simulation.request(np.full(CHECKED_HOURS, phase_of(decision)))
        simulation.advance(SETTINGS.steps("decision_s"))
    arrived_veh = simulation.traffic.total_arrived_veh()
    delay_s = simulation.traffic.delay_veh_s().sum() / arrived_veh.sum()
    return float(delay_s), float(arrived_veh.mean())


def cells_per_s(decisions_per_s: float) -> float:
    """Cell updates per second at this rate of decisions."""
    return decisions_per_s * CELLS_PER_DECISION
