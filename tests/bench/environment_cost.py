"""State of ordinary environments as a Markdown table: grade of the check, time and size of a save, time of a restore.

Run by `make bench-environments`. Each environment is in the middle of an episode. Times are the best of five, since
other load on the machine only adds time; sizes are the bytes of one save, JSON and buffers.
"""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from orchestrator.kernel.checkpoint.resume_grade import EXACT, STATISTICAL
from orchestrator.kernel.training.kept_state.check.step_and_compare import check_environment
from orchestrator.kernel.training.kept_state.decoder import Decoder
from orchestrator.kernel.training.kept_state.encoder import Encoder
from orchestrator.kernel.training.kept_state.watching import watch

ROUNDS = 5
FAMILIES: dict[str, tuple[str, tuple[str, ...]]] = {
    "classic control": ("attributes", ("CartPole-v1", "Acrobot-v1", "Pendulum-v1", "MountainCarContinuous-v0")),
    "toy text": ("attributes; large tables as a digest", ("Taxi-v4", "FrozenLake-v1", "CliffWalking-v1")),
    "MiniGrid, BabyAI": ("attributes", ("MiniGrid-DoorKey-8x8-v0", "BabyAI-GoToRedBall-v0")),
    "MuJoCo v5": (
        "`MjData` and what changes in `MjModel`",
        tuple(
            f"{name}-v5"
            for name in (
                *("Ant", "HalfCheetah", "Hopper", "Humanoid", "HumanoidStandup", "InvertedDoublePendulum"),
                *("InvertedPendulum", "Pusher", "Reacher", "Swimmer", "Walker2d"),
            )
        ),
    ),
    "ALE": ("system state and newest actions", ("ALE/Breakout-v5", "ALE/Pong-v5", "ALE/MsPacman-v5")),
    "LunarLander": ("replay", ("LunarLander-v3", "LunarLanderContinuous-v3")),
    "BipedalWalker": ("replay, a new world for each episode", ("BipedalWalker-v3", "BipedalWalkerHardcore-v3")),
    "CarRacing": ("replay, a new world for each episode", ("CarRacing-v3",)),
    "highway-env": ("attributes", ("highway-fast-v0",)),
}
STEPS = {"CarRacing": 60}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Cost of one environment in the middle of an episode."""

    grade: str
    save_ms: float
    restore_ms: float
    size_kb: float


def cost_of(make: Callable[[], Any], steps: int) -> Cost:
    """Measure one environment after some steps."""
    env, fresh = make(), make()
    watch([env, fresh])
    env.reset(seed=3)
    for _ in range(steps):
        _, _, ended, truncated, _ = env.step(env.action_space.sample())
        if ended or truncated:
            env.reset()
    saves, restores, size = [], [], 0
    for _ in range(ROUNDS):
        began_s = time.perf_counter()
        encoder = Encoder()
        node = encoder.part(env, "env")
        saves.append(time.perf_counter() - began_s)
        size = len(json.dumps(node)) + sum(map(len, encoder.buffers))
        began_s = time.perf_counter()
        Decoder(encoder.buffers).part(node, 0, fresh)
        restores.append(time.perf_counter() - began_s)
    finding = check_environment(env, time.monotonic, budget_s=5.0)
    return Cost(
        grade=STATISTICAL if finding.lost else EXACT if not finding.unchecked else "not checked",
        save_ms=1000 * min(saves),
        restore_ms=1000 * min(restores),
        size_kb=size / 1000,
    )


def main() -> None:
    """Print the table."""
    import ale_py
    import gymnasium
    import highway_env
    import minigrid

    gymnasium.register_envs(ale_py)
    del highway_env, minigrid  # imported to register their environments
    print("| environments | grade | how | save, ms | restore, ms | size, KB |\n|---|---|---|---|---|---|")
    for family, (how, names) in FAMILIES.items():
        costs = [cost_of(lambda name=name: gymnasium.make(name), STEPS.get(family, 100)) for name in names]
        grades = ", ".join(dict.fromkeys(f"`{cost.grade}`" for cost in costs))
        numbers = (_range([getattr(cost, name) for cost in costs]) for name in ("save_ms", "restore_ms", "size_kb"))
        print(f"| {family} ({len(names)}) | {grades} | {how} | {' | '.join(numbers)} |", flush=True)


def _range(values: list[float]) -> str:
    low, high = f"{min(values):.1f}", f"{max(values):.1f}"
    return low if low == high else f"{low}-{high}"


if __name__ == "__main__":
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        main()
