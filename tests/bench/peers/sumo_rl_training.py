"""stable-baselines3 trains on sumo-rl in this process, with the given settings of the learner."""

from __future__ import annotations

import contextlib
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
from core_time import Timed
from stable_baselines3 import DQN, PPO
from sumo_rl_environment import make


def main(task: dict[str, Any]) -> dict[str, object]:
    torch.set_num_threads(1)
    learner = {"PPO": PPO, "DQN": DQN}[task["algorithm"]]
    with tempfile.TemporaryDirectory() as scratch:
        env = make(Path(scratch), task)
        network = {"net_arch": task["network"]}
        model = learner("MlpPolicy", env, policy_kwargs=network, seed=0, device="cpu", **task["learner"])
        before = model.num_timesteps
        with Timed() as spent:
            model.learn(int(task["decisions"]))
        made = model.num_timesteps - before
        env.close()
    return {"decisions": made, "core_s": spent.core_s, "wall_s": spent.wall_s}


if __name__ == "__main__":
    with contextlib.redirect_stdout(sys.stderr):
        answer = main(json.loads(sys.argv[1]))
    print(json.dumps(answer))
