"""Cost of saving a full replay buffer with `run.sb3`, as two Markdown tables.

Run by `make bench-saves`. Both are trainings of DQN in a real session, whose buffer is filled with random transitions.
The first saves again and again, with some hundred steps in between: medians of five, the pause that the default cadence
makes after a save of this duration, and the share of the time that follows. The second trains at the default cadence
and measures that share.
"""

from __future__ import annotations

import contextlib
import signal
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Discrete
from stable_baselines3 import DQN
from stable_baselines3.common.callbacks import BaseCallback

import orchestrator
from orchestrator.kernel.training.cadence import SAVES_APART_S, SHARE_OF_TRAINING

ROUNDS = 5
LASTS_S = 150.0
BETWEEN_STEPS = 400


@dataclass(frozen=True, kw_only=True)
class Case:
    """A replay buffer.

    Attributes:
        transitions: Its size; it is full.
        space: Of the observations.
        policy: Of the algorithm.
    """

    name: str
    transitions: int
    space: Box
    policy: str


CASES = (
    Case(name="4 x float32, 10^6", transitions=10**6, space=Box(-1, 1, (4,)), policy="MlpPolicy"),
    Case(
        name="4 x 84 x 84 x uint8, 10^4",
        transitions=10**4,
        space=Box(0, 255, (4, 84, 84), np.uint8),
        policy="CnnPolicy",
    ),
)


class Noise(gymnasium.Env[Any, Any]):
    """Random observations; episodes of 200 steps."""

    action_space = Discrete(2)

    def __init__(self, space: Box) -> None:
        self.observation_space = space
        self.steps = 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.steps = 0
        return self._seen(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.steps += 1
        return self._seen(), 1.0, self.steps % 200 == 0, False, {}

    def _seen(self) -> Any:
        if self.observation_space.dtype == np.uint8:
            # A Box has a shape.
            return self.np_random.integers(0, 256, self.observation_space.shape, np.uint8)  # type: ignore[arg-type]
        return self.np_random.random(self.observation_space.shape, np.float32)


def fill(buffer: Any, case: Case) -> None:
    """Fill a replay buffer as a training does: each next observation is the next row's observation, except at ends."""
    draw = np.random.default_rng(1)
    for start in range(0, case.transitions, 10**4):
        rows = buffer.observations[start : start + 10**4]
        if rows.dtype == np.uint8:
            rows[:] = draw.integers(0, 256, rows.shape, np.uint8)
        else:
            rows[:] = draw.random(rows.shape, np.float32)
    buffer.next_observations[:-1] = buffer.observations[1:]
    buffer.next_observations[-1] = buffer.observations[0]
    buffer.actions[:] = draw.integers(0, 2, buffer.actions.shape)
    buffer.rewards[:] = 1.0
    buffer.dones[199::200] = 1.0
    buffer.next_observations[199::200] = 0
    buffer.full = True


def built(case: Case) -> DQN:
    """An untrained model with an empty buffer."""
    return DQN(case.policy, Noise(case.space), buffer_size=case.transitions, learning_starts=0, seed=1)


class Ends(BaseCallback):
    """Ends the session after some seconds; notes the time until then, and how much of it saves took."""

    def __init__(self, run: Any) -> None:
        super().__init__()
        self._run, self._started_s = run, time.monotonic()
        self.elapsed_s = self.saving_s = 0.0

    def _on_step(self) -> bool:
        elapsed_s = time.monotonic() - self._started_s
        if elapsed_s > LASTS_S and not self.elapsed_s:
            self.elapsed_s = elapsed_s
            self.saving_s = self._run._context.deadline.totals_s.get("save", 0.0)
            signal.raise_signal(signal.SIGTERM)
        return True


def measure_share(case: Case, folder: Path) -> str:
    """One row of the second table: a training at the default cadence."""
    with contextlib.suppress(SystemExit), orchestrator.session(target=10**7, seed=1, folder=folder) as run:
        model = run.sb3(lambda: built(case))
        fill(model.replay_buffer, case)
        ends = Ends(run)
        model.learn(run.remaining, callback=[ends, run.callback], reset_num_timesteps=False)
    share = 100 * ends.saving_s / ends.elapsed_s
    return f"| {case.name} | {ends.elapsed_s:.0f} | {model.num_timesteps} | {ends.saving_s:.2f} | {share:.2f} |"


def measure(case: Case, folder: Path) -> str:
    """One row of the table."""
    took: list[float] = []
    trained_s: list[float] = []
    steps = BETWEEN_STEPS * (ROUNDS + 1)
    with orchestrator.session(target=steps, seed=1, save_every=10 * steps, folder=folder) as run:
        model = run.sb3(lambda: built(case))
        fill(model.replay_buffer, case)
        for number in range(ROUNDS + 1):  # the first save has no earlier one
            started_s = time.monotonic()
            model.learn(BETWEEN_STEPS, reset_num_timesteps=False)
            trained_s.append(time.monotonic() - started_s)
            started_s = time.monotonic()
            run._learning.ended()
            took.append(time.monotonic() - started_s)
            print(f"  save {number + 1}: {took[-1]:.2f} s", file=sys.stderr)
        size = sum(path.stat().st_size for path in (folder / "checkpoints").glob(f"*_{steps}_steps*"))
    later_s = statistics.median(took[1:])
    pause_s = max(SAVES_APART_S, later_s / SHARE_OF_TRAINING)
    share = 100 * later_s / (later_s + pause_s)
    speed = BETWEEN_STEPS / statistics.median(trained_s)
    cells = (size / 1e6, took[0], later_s, pause_s, share, speed)
    return f"| {case.name} | " + " | ".join(f"{cell:.2f}" for cell in cells) + " |"


def main() -> None:
    """Measure and print."""
    print("| replay buffer | checkpoint, MB | first save, s | later saves, s | pause, s | share, % | steps/s |")
    print("|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory(prefix="save-overhead-") as scratch:
        for number, case in enumerate(CASES):
            print(measure(case, Path(scratch) / str(number)), flush=True)
        print("\n| replay buffer | training, s | steps | in saves, s | share, % |\n|---|---|---|---|---|")
        print(measure_share(CASES[0], Path(scratch) / "share"), flush=True)


if __name__ == "__main__":
    main()
