"""Scripts that wait in the middle of a training: for a signal to leave, or for a gate to open."""

from __future__ import annotations

PPO_SCRIPT = """
import time
from pathlib import Path

import orchestrator
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback

GATE = Path(GATE_OF_TEST)


class WaitInTheMiddle(BaseCallback):
    def _on_step(self):
        while self.num_timesteps == 300 and not GATE.exists() and not run.should_stop:
            GATE.with_name("waits").touch()
            time.sleep(0.02)
        return True


with orchestrator.session(seed=3) as run:
    model = run.sb3(lambda: PPO("MlpPolicy", "CartPole-v1", seed=run.seed, n_steps=64, n_epochs=2))
    callbacks = [run.callback, WaitInTheMiddle()]
    model.learn(run.remaining, callback=callbacks, reset_num_timesteps=False)
"""
"""It waits at step 300 until it is asked to leave, unless the gate exists; then `waits` lies beside the gate."""

LOOP_SCRIPT = """
import random
import time
from pathlib import Path

import orchestrator

GATE = Path(GATE_OF_TEST)

with orchestrator.session() as run:
    state = run.keep(values=[])
    for step in run.steps():
        state.values.append(random.random())
        while step == 20 and not GATE.exists():
            time.sleep(0.02)
        if step == 29:
            run.finish()
"""
"""It waits at step 20 for the gate."""
