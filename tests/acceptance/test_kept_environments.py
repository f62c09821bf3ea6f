"""Environments of libraries in `run.keep`: processes that are cut end with the same bytes as one that is not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import orchestrator
from tests.doubles.own_script import checkpoint_bytes, run_script

SCRIPT = """import warnings

warnings.simplefilter("ignore")
import gymnasium
import numpy as np
from gymnasium import wrappers

import orchestrator


{make}


if __name__ == "__main__":
    with orchestrator.session(target={target}, seed=3, save_every=1000) as run:
        env, seen = make(), []
        run.keep(env=env, seen=seen)
        if run.start == 0:
            env.reset(seed=run.seed)
        for step in run.steps():
            found = env.step(env.action_space.sample())
            seen.append([float(np.asarray(one, dtype=np.float64).sum()) for one in found[:4]])
            if np.ndim(found[2]) == 0 and (found[2] or found[3]):
                env.reset()
"""
GAME = """import ale_py

gymnasium.register_envs(ale_py)


def make():
    return wrappers.FrameStackObservation(gymnasium.make("ALE/Pong-v5", obs_type="ram"), 3)"""
VECTOR = """def one():
    return gymnasium.make({name!r}, max_episode_steps=50)


def make():
    return wrappers.vector.NormalizeObservation(gymnasium.vector.SyncVectorEnv([one] * 2))"""


def _single(name: str) -> str:
    return f'def make():\n    return wrappers.NormalizeReward(gymnasium.make("{name}"))'


FAST = {"lander": _single("LunarLander-v3")}
LONG = {
    "walker": _single("BipedalWalker-v3"),
    "ant": _single("Ant-v5"),
    "humanoid": _single("Humanoid-v5"),
    "taxi": _single("Taxi-v4"),
    "game": GAME,
    "landers": VECTOR.format(name="LunarLander-v3"),
    "cheetahs": VECTOR.format(name="HalfCheetah-v5"),
}


def _ends_equal(folder: Path, make: str, target: int) -> None:
    text = SCRIPT.format(make=make, target=target)
    straight, cut = folder / "straight", folder / "cut"
    for one in (straight, cut):
        one.mkdir()
        (one / "train.py").write_text(text, encoding="utf-8")
    whole = run_script(straight)
    assert whole.returncode == 0, whole.stderr
    for stop in (target // 3, target * 4 // 5):
        ended = run_script(cut, variables={"ORCHESTRATOR_STOP_AT_STEPS": stop})
        assert ended.returncode == orchestrator.MORE_TO_DO, ended.stderr
    last = run_script(cut)
    assert last.returncode == 0 and "Loading checkpoint" in last.stderr, last.stderr
    assert "statistical" not in last.stderr
    assert checkpoint_bytes(cut, target) == checkpoint_bytes(straight, target)
    (card,) = (cut / ".orchestrator/alone/train/checkpoints").glob(f"*_{target}_steps.json")
    identity = json.loads(card.read_text("utf-8"))["identity"]
    assert identity["lost_state"] == [] and identity["environment_check"][0].endswith(": exact")


@pytest.mark.parametrize("case", FAST)
def test_processes_that_are_cut_end_with_the_same_bytes(case: str, tmp_path: Path) -> None:
    _ends_equal(tmp_path, FAST[case], 160)


@pytest.mark.prove
@pytest.mark.parametrize("case", LONG)
def test_longer_processes_that_are_cut_end_with_the_same_bytes(case: str, tmp_path: Path) -> None:
    _ends_equal(tmp_path, LONG[case], 400)
