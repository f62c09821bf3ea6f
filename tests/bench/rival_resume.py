"""Compares the resume of other packages with ours, on the section's own training, cut at the same steps.

Run as `python -m tests.bench.rival_resume --algo DQN`. It first runs `prove-resume`. Then each rival trains from cut
to cut, every session in its own process, and saves and loads with its own code: RL Baselines3 Zoo's
`save_trained_model`, `_load_pretrained_agent` and `learn` (as its option `-i` does), and kaggle-ckpt's `save_epoch`
and `load_last` with the state that its manual shows. Both get this project's algorithm class, so that their schedules
follow the absolute step if they keep it.

Needs both packages in the project's environment; a rival that is not installed is reported as "not run".
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.metadata
import itertools
import json
import subprocess
import sys
import tempfile
from array import array
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from orchestrator.core.diagnostics.resume_proof import max_abs_difference

RIVALS = {"RL Zoo -i": "rl-zoo3", "kaggle-ckpt": "kaggle-ckpt"}
SHOWN = ("policy", "optimizer", "replay_buffer", "reward_sequence", "environment")


def main() -> int:
    """Prove, run the rivals, print one table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--algo", default="DQN")
    parser.add_argument("--cuts", default="2")
    parser.add_argument("--seed", default="1")
    words = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="rival-resume-") as scratch:
        folder = Path(scratch)
        proof = _prove(words, folder / "proof")
        ends: list[dict[str, Any]] = list(proof["ends"])
        for name, package in RIVALS.items():
            try:
                version = importlib.metadata.version(package)
            except importlib.metadata.PackageNotFoundError:
                print(f"{name}: not run ({package} is not installed)")
                continue
            ends.append(_rival(name, version, proof, folder / package))
    _print(ends)
    return 0


def _prove(words: argparse.Namespace, folder: Path) -> dict[str, Any]:
    command = ["prove-resume", "section_7_6", "--algo", words.algo, "--cuts", words.cuts, "--seed", words.seed]
    done = subprocess.run(
        [sys.executable, "-m", "orchestrator", *command, "--keep", str(folder), "--json"],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    (proof,) = json.loads(done.stdout.splitlines()[-1])["proofs"]
    straight = folder / words.algo / "straight"
    (ticket,) = straight.glob(".orchestrator/local/*/ticket.json")
    (weights,) = (straight / "validation_output").rglob("proof_weights_0.f64")
    spec = json.loads(ticket.read_text(encoding="utf-8"))["spec"]
    return {**proof, "spec": spec, "weights": _doubles(weights)}


def _rival(name: str, version: str, proof: dict[str, Any], folder: Path) -> dict[str, Any]:
    folder.mkdir()
    cuts = sorted({*proof["orderly_cuts"], proof["went_on_from"]} - {0})
    (folder / "spec.json").write_text(json.dumps(proof["spec"]), encoding="utf-8")
    for begin, end in itertools.pairwise([0, *cuts, proof["target_steps"]]):
        command = [sys.executable, "-m", "tests.bench.rival_resume", "session", name, str(folder), str(begin), str(end)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    plain = json.loads((folder / "end.json").read_text(encoding="utf-8"))
    gap = max_abs_difference(proof["weights"], _doubles(folder / "end.f64"))
    return {**plain, "name": f"{name} ({version})", "max_abs_dw": gap}


def _doubles(path: Path) -> array[float]:
    values = array("d")
    values.frombytes(path.read_bytes())
    return values


def _print(ends: list[dict[str, Any]]) -> None:
    straight = ends[0]["items"]
    print("| | " + " | ".join(end["name"] for end in ends) + " |")
    print("|---" * (len(ends) + 1) + "|")
    for item in [item for item in SHOWN if item in straight]:
        words = [" equal" if end["items"][item] == straight[item] else " different" for end in ends]
        cells = [end["items"][item][:8] + word for end, word in zip(ends, ["", *words[1:]], strict=True)]
        print(f"| {item} | " + " | ".join(cells) + " |")
    print("| max abs(dw) | " + " | ".join(f"{end['max_abs_dw']:.3g}" for end in ends) + " |")
    print("| steps counted | " + " | ".join(str(end["steps"]) for end in ends) + " |")


# One session of a rival, in its own process.


def session(name: str, folder: Path, begin: int, end: int) -> None:
    """Train from one cut to the next, and resume in the rival's way."""
    from orchestrator.sb3.resume_proof.digests import digests_of, flat_weights
    from orchestrator.sb3.resume_proof.reward_digest import RewardRecord
    from orchestrator.sb3.training.factory import build_model, prepare_torch
    from orchestrator.sb3.training.training_spec import TrainingSpec
    from validation_ch7.section_7_6_rl_performance.evaluation.task import traffic_world

    spec = json.loads((folder / "spec.json").read_text(encoding="utf-8"))
    spec.pop("proof")
    plan = TrainingSpec.from_json(spec)
    device = prepare_torch(plan.device)
    record = RewardRecord(traffic_world().build_env(plan.lineage))
    model = build_model(plan.lineage, record, device=device)
    rewards = folder / "rewards.json"
    if begin:
        rows, digest = json.loads(rewards.read_text(encoding="utf-8"))
        record._rows, record.reward_sequence = rows, digest
    ways: dict[str, Callable[[Any, Any, Path, int, int], Any]] = {"RL Zoo -i": _zoo, "kaggle-ckpt": _kaggle_ckpt}
    model = ways[name](model, record, folder, begin, end)
    rewards.write_text(json.dumps([record._rows, record.reward_sequence]), encoding="utf-8")
    flat_weights(model).tofile(folder / "end.f64")
    report = {"steps": model.num_timesteps, "items": digests_of(model, record)}
    (folder / "end.json").write_text(json.dumps(report), encoding="utf-8")


def _zoo(model: Any, record: Any, folder: Path, begin: int, end: int) -> Any:
    from rl_zoo3.exp_manager import ExperimentManager
    from rl_zoo3.utils import ALGOS
    from stable_baselines3.common.logger import Logger

    ALGOS["here"] = type(model)
    experiment = SimpleNamespace(
        algo="here",
        trained_agent=str(folder / "crossing.zip"),
        seed=model.seed,
        tensorboard_log=None,
        verbose=0,
        device=model.device,
        truncate_last_trajectory=False,
        n_timesteps=end - begin,
        log_interval=-2,
        callbacks=[],
        n_envs=record.num_envs,
        save_path=str(folder),
        params_path=str(folder),
        env_name="crossing",
        save_replay_buffer=True,
        normalize=False,
    )
    if begin:
        # A stand-in with the attributes that are read.
        model = ExperimentManager._load_pretrained_agent(experiment, {"policy": "MlpPolicy"}, record)  # type: ignore[arg-type]
        model.set_logger(Logger(folder=None, output_formats=[]))
    ExperimentManager.learn(experiment, model)  # type: ignore[arg-type]  # a stand-in with the attributes that are read
    # A stand-in with the attributes that are read.
    ExperimentManager.save_trained_model(experiment, model)  # type: ignore[arg-type]
    return model


def _kaggle_ckpt(model: Any, record: Any, folder: Path, begin: int, end: int) -> Any:
    from kaggle_ckpt import CheckpointConfig, CheckpointManager

    with contextlib.chdir(folder):
        keeper = CheckpointManager(CheckpointConfig("crossing", monitor="reward", mode="max"))
        if begin:
            state = keeper.load_last()
            if state is None:
                raise RuntimeError("kaggle-ckpt found no checkpoint of the session before")
            keeper.load_model_weights(model.policy, state)
            model.policy.optimizer.load_state_dict(state["optimizer"])
            model.num_timesteps = state["epoch"]
        model.learn(end - begin, reset_num_timesteps=False)
        state = {
            "epoch": model.num_timesteps,
            "model": model.policy.state_dict(),
            "optimizer": model.policy.optimizer.state_dict(),
        }
        keeper.save_epoch(end, state, metrics={"reward": float(end)})
    return model


if __name__ == "__main__":
    if sys.argv[1:2] == ["session"]:
        session(sys.argv[2], Path(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5]))
    else:
        sys.exit(main())
