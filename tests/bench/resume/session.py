"""One session of a training in its own process: `python session.py METHOD TRAINING FOLDER BEGIN END`.

It trains from one step to another. If it does not begin at 0, it first loads what the session before has saved, in the
way of the method. Each peer runs it with the Python of its own environment.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.vec_env import VecNormalize
from trainings import TRAININGS, Training

SHOWN_EPISODES = 10


def main() -> None:
    """Train, and write `end.zip` and `reward.json` into the folder."""
    method, name, folder, begin, end = sys.argv[1], sys.argv[2], Path(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5])
    torch.set_num_threads(1)
    training = TRAININGS[name]
    if method == "ours":
        model = with_orchestrator(training, folder)
    else:
        ways = {"load": load, "practice": practice, "torchrl": torchrl}
        model = ways[method](training, folder, resume=True) if begin else training.build()
        model.learn(end - begin, reset_num_timesteps=False)
        model.save(folder / "end.zip")
        if end < training.steps:
            ways[method](training, folder, resume=False, model=model)
    rewards = [episode["r"] for episode in list(model.ep_info_buffer)[-SHOWN_EPISODES:]]
    mean = sum(rewards) / len(rewards) if rewards else None
    (folder / "reward.json").write_text(json.dumps(mean), encoding="utf-8")


def load(training: Training, folder: Path, *, resume: bool, model: Any = None) -> BaseAlgorithm:
    """`model.save` and `load`."""
    if not resume:
        model.save(folder / "saved.zip")
        return model
    return training.kind.load(folder / "saved.zip", env=training.environment(), device="cpu")


def practice(training: Training, folder: Path, *, resume: bool, model: Any = None) -> BaseAlgorithm:
    """The documented practice: the model, its replay buffer and the statistics of `VecNormalize`."""
    if not resume:
        model.save(folder / "saved.zip")
        if hasattr(model, "save_replay_buffer"):
            model.save_replay_buffer(folder / "replay_buffer.pkl")
        if training.normalizes:
            model.get_vec_normalize_env().save(folder / "vecnormalize.pkl")
        return model
    env = training.environment()
    if training.normalizes:
        env = VecNormalize.load(str(folder / "vecnormalize.pkl"), env.venv)
    model = training.kind.load(folder / "saved.zip", env=env, device="cpu")
    if hasattr(model, "load_replay_buffer"):
        model.load_replay_buffer(folder / "replay_buffer.pkl")
    return model


class Attributes:
    """A component for TorchRL: attributes of an object as a state dict."""

    def __init__(self, of: Any, names: tuple[str, ...]) -> None:
        self._of, self._names = of, names

    def state_dict(self) -> dict[str, Any]:
        return {name: _plain(getattr(self._of, name)) for name in self._names}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for name in self._names:
            setattr(self._of, name, state[name].numpy() if torch.is_tensor(state[name]) else state[name])


def torchrl(training: Training, folder: Path, *, resume: bool, model: Any = None) -> BaseAlgorithm:
    """TorchRL's `Checkpoint` with every component that it can hold: it knows no state of environments."""
    from torchrl.checkpoint import Checkpoint, GlobalRNGState

    model = model if model is not None else training.build()
    parts: dict[str, Any] = {"policy": model.policy, "rng": GlobalRNGState()}
    names, variables = model._get_torch_save_params()
    for name in (*names[1:], *variables):
        owner, _, attribute = name.rpartition(".")
        found = getattr(getattr(model, owner) if owner else model, attribute)
        parts[name.replace(".", "_")] = Variable(found) if torch.is_tensor(found) else found
    parts["counters"] = Attributes(model, ("num_timesteps", "_n_updates"))
    if hasattr(model, "replay_buffer"):
        arrays = ("observations", "next_observations", "actions", "rewards", "dones", "timeouts", "pos", "full")
        parts["replay_buffer"] = Attributes(model.replay_buffer, arrays)
    if training.normalizes:
        env = model.get_vec_normalize_env()
        for name in ("obs_rms", "ret_rms"):
            parts[name] = Attributes(getattr(env, name), ("mean", "var", "count"))
    if resume:
        Checkpoint(**parts).load(folder / "checkpoint")
    else:
        Checkpoint(**parts).save(folder / "checkpoint")
    return model


class Variable:
    """A component for TorchRL: a learned tensor."""

    def __init__(self, tensor: torch.Tensor) -> None:
        self._tensor = tensor

    def state_dict(self) -> dict[str, Any]:
        return {"value": self._tensor.detach().clone()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        with torch.no_grad():
            self._tensor.copy_(state["value"])


def _plain(value: Any) -> Any:
    return torch.as_tensor(value) if hasattr(value, "dtype") else value


def with_orchestrator(training: Training, folder: Path) -> BaseAlgorithm:
    """`run.sb3`; the environment variable of `orchestrator prove` cuts it."""
    import orchestrator

    with orchestrator.session(target=training.steps, seed=3, folder=folder / "training") as run:
        model = run.sb3(training.build)
        model.learn(run.remaining, callback=run.callback, reset_num_timesteps=False)
    model.save(folder / "end.zip")
    return model


if __name__ == "__main__":
    main()
