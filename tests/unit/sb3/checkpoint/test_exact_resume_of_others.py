"""Exact resume of the algorithms other than DQN, and the need for each element of the state of PPO."""

import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from readings import fingerprints, latest_card, models_dir
from sb3_contrib import QRDQN
from stable_baselines3 import A2C, PPO, SAC, TD3
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.vec_env import VecEnv
from tiny_world import TinyVecEnv, bench, spec_of, tiny_world

from orchestrator.sb3.checkpoint import resume as starting
from orchestrator.sb3.envs.discrete_to_box import SignActions
from orchestrator.sb3.loop import TrainingResult, train
from orchestrator.sb3.state.npz_tree import read_state
from orchestrator.sb3.state.policy_digest import policy_digest
from orchestrator.sb3.state.training_state_io import capture_state, restore_state

ROOT = Path(__file__).parents[4]
DRIVER = Path(__file__).parents[1].joinpath("session_driver.py")
TARGET_STEPS = 1216  # a multiple of PPO's rollout of 64 steps
PLAIN: dict[str, type[BaseAlgorithm]] = {"PPO": PPO, "QRDQN": QRDQN, "A2C": A2C, "SAC": SAC, "TD3": TD3}


def session(
    working: Path, algorithm: str, number: int = 1, *, stop_at: int | None = None, target: int = TARGET_STEPS
) -> TrainingResult:
    """Run a session in this process after other programs have drawn from the global generators."""
    random.seed(number)
    np.random.seed(number)
    torch.manual_seed(number)
    test_bench = bench(working, spec_of(algorithm, target_steps=target), session=number)
    try:
        return train(test_bench.context, test_bench.plan, tiny_world(at_steps=stop_at, act=test_bench.stop.request))
    finally:
        test_bench.context.reporter.close()


# For these, test_cut_anywhere.py cuts sessions in every test run.
_PROVEN_ELSEWHERE = [pytest.param(name, marks=pytest.mark.prove) for name in ("A2C", "SAC", "TD3")]


@pytest.fixture(scope="module", params=["PPO", "QRDQN", *_PROVEN_ELSEWHERE])
def algorithm(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def straight(algorithm: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    working = tmp_path_factory.mktemp("straight")
    session(working, algorithm)
    return fingerprints(working)


def test_a_chain_equals_one_straight_session_byte_for_byte(
    algorithm: str, straight: dict[str, Any], tmp_path: Path
) -> None:
    for number, stop_at in enumerate((300, 333, 70), start=1):
        stopped = session(tmp_path, algorithm, number, stop_at=stop_at)
        assert 0 < stopped.training.steps < TARGET_STEPS
    finished = session(tmp_path, algorithm, 4)
    assert finished.training.steps == TARGET_STEPS and len(finished.training.record.seams) == 3
    assert finished.training.grade is not None and finished.training.grade.grade == "exact"
    assert fingerprints(tmp_path) == straight


def test_a_chain_of_processes_equals_one_straight_session(
    straight: dict[str, Any], algorithm: str, tmp_path: Path
) -> None:
    for number, stop_at in ((1, 400), (2, 0)):
        command = [sys.executable, "-W", "error", str(DRIVER), str(tmp_path), str(number), str(stop_at)]
        environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{DRIVER.parent}"}
        done = subprocess.run(
            [*command, str(TARGET_STEPS), algorithm], capture_output=True, text=True, env=environment, cwd=tmp_path
        )
        assert done.returncode == 0, done.stderr
    assert fingerprints(tmp_path) == straight


def test_raising_the_target_does_not_change_the_path(algorithm: str, straight: dict[str, Any], tmp_path: Path) -> None:
    session(tmp_path, algorithm, 1, target=640)
    session(tmp_path, algorithm, 2)
    differ = {name for name, value in fingerprints(tmp_path).items() if value != straight[name]}
    assert all(name.startswith("selection.") for name in differ)  # it is evaluated once more at the lower target
    assert "policy" not in differ


@pytest.mark.parametrize("algorithm", sorted(PLAIN))
def test_a_checkpoint_loads_as_the_library_documents(algorithm: str, tmp_path: Path) -> None:
    session(tmp_path, algorithm, target=320)
    card = latest_card(tmp_path)
    env: VecEnv = SignActions(TinyVecEnv(4, 7)) if algorithm in ("SAC", "TD3") else TinyVecEnv(4, 7)
    model = PLAIN[algorithm].load(models_dir(tmp_path) / "checkpoints" / f"{card.stem}.zip", env=env)
    assert policy_digest(model.policy) == card.identity["policy_digest"]
    assert model.num_timesteps == card.steps
    model.learn(128, reset_num_timesteps=False)  # the plain class of the library can continue the training
    assert policy_digest(model.policy) != card.identity["policy_digest"]


# Element left out of PPO's state -> whether the policy itself differs at the end. Where it does not, users read the
# element (counts, statistics) or another algorithm uses it: then its own value must differ at the end.
ELEMENTS = {
    "counters.n_updates": False,
    "last.last_obs": True,
    "episode_statistics": False,
    "environment": True,
    "action_space_rng": False,
    "python_rng": False,
    "numpy_rng": True,
    "torch_rng": True,
}
# On-policy training never counts episodes, and the episode starts before a rollout's first step enter no advantage
# estimate (only a recurrent policy would use them). Both are restored nevertheless, as for every algorithm.
NOT_READ_BY_PPO = {"counters.episode_num", "last.last_episode_starts"}
_DISTURBED: dict[str, Callable[[Any], object]] = {
    "python_rng": lambda model: random.seed(12345),
    "action_space_rng": lambda model: model.action_space.seed(12345),
}


@pytest.mark.parametrize("element", sorted(ELEMENTS))
def test_each_element_of_the_state_of_ppo_is_needed(
    element: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ppo: dict[str, Any]
) -> None:
    session(tmp_path, "PPO", stop_at=300)
    section, _, name = element.partition(".")

    def restore_all_but_one(model: Any, tree: dict[str, Any]) -> None:
        fresh = capture_state(model)[section]
        value = {**tree[section], name: fresh[name]} if name else fresh
        restore_state(model, {**tree, section: value})
        _DISTURBED.get(element, lambda model: None)(model)

    monkeypatch.setattr(starting, "restore_state", restore_all_but_one)
    with pytest.raises(ValueError, match=f"not completely restored: {section} differ"):
        session(tmp_path, "PPO", 2)
    monkeypatch.setattr(starting, "_check_complete", lambda training, card, saved, grade: grade)
    session(tmp_path, "PPO", 2)
    found = fingerprints(tmp_path)
    assert found != ppo
    assert (found["policy"] != ppo["policy"]) is ELEMENTS[element]


@pytest.fixture(scope="module")
def ppo(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    working = tmp_path_factory.mktemp("ppo")
    session(working, "PPO")
    return fingerprints(working)


def test_every_element_of_the_state_of_ppo_is_tested(tmp_path: Path) -> None:
    session(tmp_path, "PPO", stop_at=300)
    tree = read_state(models_dir(tmp_path) / "checkpoints" / f"{latest_card(tmp_path).stem}.state.npz")["training"]
    assert "replay_buffer" not in tree and tree["schedules"] == {}
    known = {*ELEMENTS, *NOT_READ_BY_PPO}
    assert set(tree) - {"schedules"} == {name.partition(".")[0] for name in known}
    for section in ("counters", "last"):
        tested = {name.partition(".")[2] for name in known if name.startswith(f"{section}.")}
        assert set(tree[section]) - {"num_timesteps"} == tested  # the step count is checked against the card
