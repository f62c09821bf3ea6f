"""How fast the crossing is: solvers side by side, then the whole environment, as Markdown tables.

Run by `make bench` on one pinned core. Candidates are measured in turn, round after round, so that what else the
machine does meets all of them alike; each figure is the median of the rounds.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch

from tests.bench.torch_crossing import TorchCrossing
from tests.unit.validation_ch7.traffic.plain_crossing import PlainCrossing
from validation_ch7.traffic.demand import ScenarioAddress, Split, draw_scenarios
from validation_ch7.traffic.environment import TrafficSignalVecEnv
from validation_ch7.traffic.settings import EnvironmentSettings
from validation_ch7.traffic.simulation import CrossingSimulation

ROUNDS = 5
SECONDS = 0.4
SETTINGS = EnvironmentSettings()
CELLS_PER_DECISION = 8 * SETTINGS.traffic.n_cells * SETTINGS.steps("decision_s")


def medians(candidates: Mapping[str, Callable[[], int]]) -> dict[str, float]:
    """Decisions per second of each candidate, measured in turn.

    Args:
        candidates: Name -> does some work and returns how many decisions it was.
    """
    rates: dict[str, list[float]] = {name: [] for name in candidates}
    for act in candidates.values():
        act()  # compile and warm up
    for _ in range(ROUNDS):
        for name, act in candidates.items():
            done, started_s = 0, time.perf_counter()
            while time.perf_counter() - started_s < SECONDS:
                done += act()
            rates[name].append(done / (time.perf_counter() - started_s))
    return {name: statistics.median(values) for name, values in rates.items()}


def kernel(batch: int, pool: ThreadPoolExecutor | None = None) -> Callable[[], int]:
    """The compiled solver under alternating greens, a decision per call."""
    addresses = [ScenarioAddress(split=Split.TRAINING, index=index) for index in range(batch)]
    scenarios = draw_scenarios(addresses, episode_s=SETTINGS.episode_s, vf_m_s=SETTINGS.traffic.vf_m_s)
    simulation = CrossingSimulation(SETTINGS, scenarios, pool=pool)
    steps, beginning = SETTINGS.steps("decision_s"), simulation.get_state()

    def act() -> int:
        if simulation.steps_done >= SETTINGS.steps("episode_s"):
            simulation.set_state(beginning)
        simulation.request(np.full(batch, (simulation.steps_done // (3 * steps)) % 2))
        simulation.advance(steps)
        return batch

    return act


def stepwise(crossing: PlainCrossing | TorchCrossing, batch: int, *, tensors: bool) -> Callable[[], int]:
    """A solver that takes one step per call, under alternating greens."""
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
            crossing.advance(*inputs[calls // 3 % 2])  # type: ignore[arg-type]
        return batch

    return act


def environment(batch: int) -> Callable[[], int]:
    """The whole `VecEnv.step`: requests, traffic, reward, observation, infos, new episodes."""
    env = TrafficSignalVecEnv(n_envs=batch, seed=0, environment={})
    env.reset()
    actions = np.random.default_rng(0).integers(0, 2, (16, batch))
    calls = 0

    def act() -> int:
        nonlocal calls
        calls += 1
        env.step(actions[calls % 16])
        return batch

    return act


def table(title: str, rates: Mapping[str, float]) -> None:
    """Print one table; ratios are to its first row."""
    first = next(iter(rates.values()))
    print(f"\n{title}\n\n| | decisions/s | cell updates/s | beside the first |\n|---|---|---|---|")
    for name, rate in rates.items():
        print(f"| {name} | {rate:,.0f} | {rate * CELLS_PER_DECISION:.2e} | {rate / first:.3f} |")


def main() -> None:
    """Measure and print."""
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[-1]})
    torch.set_num_threads(1)
    p = SETTINGS.traffic
    print(f"One crossing, 8 links x {p.link_length_m:.0f} m, dx {p.dx_m:.0f} m, dt {p.dt_s} s, decisions every"
          f" {SETTINGS.decision_s:.0f} s; float64; one core; medians of {ROUNDS}, measured in turn.")  # fmt: skip
    for batch in (1, 64):
        candidates = {
            "compiled kernel": kernel(batch),
            "numpy, whole arrays": stepwise(PlainCrossing(p, batch), batch, tensors=False),
            "torch, whole tensors": stepwise(TorchCrossing(p, batch), batch, tensors=True),
        }
        table(f"Solvers, {batch} environment(s)", medians(candidates))
    batches = {f"{batch} environments": environment(batch) for batch in (1, 16, 64, 256, 1024)}
    table("Whole `VecEnv.step`", medians(batches))
    os.sched_setaffinity(0, set(cores))
    with ThreadPoolExecutor(2) as pool:
        table("Threads, 1024 environments", medians({"1": kernel(1024), "2": kernel(1024, pool)}))


if __name__ == "__main__":
    main()
