"""A checkpoint that continues under other conditions: the grade, and the line that the user sees.

The rows are those of the table "Moving a training" in docs/RESUME.md.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from stable_baselines3 import A2C, PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.vec_env import SubprocVecEnv, VecNormalize

import orchestrator
from orchestrator.kernel.training import alone
from orchestrator.sb3.script import identity
from orchestrator.sb3.state import identity as state_identity
from orchestrator.sb3.state import policy_probe

REPOSITORY = Path(__file__).parents[3]
SMALL: dict[str, Any] = {"n_steps": 16, "batch_size": 16, "n_epochs": 1, "seed": 3, "device": "cpu"}


class Hill(gymnasium.Env[Any, Any]):
    """Its slope is an argument that no registry knows."""

    def __init__(self, slope: float = 0.5, size: int = 1, actions: int = 2) -> None:
        self.slope, self.place = slope, 0.0
        self.action_space = gymnasium.spaces.Discrete(actions)
        self.observation_space = gymnasium.spaces.Box(-9, 9, (size,))

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.place = float(self.np_random.normal())
        return self._seen(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.place += (self.slope if action else -self.slope) + float(self.np_random.normal(0, 0.1))
        return self._seen(), -abs(self.place), abs(self.place) > 3, False, {}

    def _seen(self) -> Any:
        return np.full(self.observation_space.shape, np.clip(self.place, -9, 9), np.float32)


def ppo(
    envs: int = 1,
    *,
    wrapper: Any = None,
    around: Any = None,
    arguments: dict[str, Any] | None = None,
    **of_environment: Any,
) -> PPO:
    env = make_vec_env(Hill, envs, seed=3, env_kwargs=of_environment, wrapper_class=wrapper)
    settings = {**SMALL, "policy_kwargs": {"net_arch": [4]}, **(arguments or {})}
    return PPO("MlpPolicy", env if around is None else around(env), **settings)


class Wider(ActorCriticPolicy):
    """A policy of another class."""


class Stop(BaseCallback):
    """Asks the session to stop in its third rollout."""

    def __init__(self, *, stops: bool) -> None:
        super().__init__()
        self.stops = stops

    def _on_step(self) -> bool:
        if self.stops and self.num_timesteps == 40:
            os.kill(os.getpid(), signal.SIGTERM)
        return True


def train(
    folder: Path,
    build: Callable[[], Any],
    *,
    stop: bool = False,
    threads: int | None = None,
    target: int = 64,
    more: BaseCallback | None = None,
) -> int:
    try:
        with orchestrator.session(target=target, seed=3, folder=folder, device="cpu") as run:
            model = run.sb3(build)
            if threads:
                torch.set_num_threads(threads)
            callbacks = [Stop(stops=stop), *([] if more is None else [more]), run.callback]
            model.learn(run.remaining, callback=callbacks, reset_num_timesteps=False)
    except SystemExit as end:
        return int(str(end.code))
    return 0


@pytest.fixture(scope="module", autouse=True)
def script(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The running script; a worker of the tests has none."""
    path = tmp_path_factory.mktemp("script") / "pole.py"
    path.write_text("print('one')\n", encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(alone, "_script", lambda: path)
        yield path


@pytest.fixture(scope="module")
def begun(script: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("moves") / "begun"
    assert train(folder, ppo, stop=True) == 75
    return folder


def other_version(library: str) -> Callable[[pytest.MonkeyPatch], None]:
    def change(patch: pytest.MonkeyPatch) -> None:
        versions = {**state_identity.library_versions(), library: "0.1"}
        patch.setattr(identity, "library_versions", lambda: versions)

    return change


def other_machine(key: str, value: str) -> Callable[[pytest.MonkeyPatch], None]:
    def change(patch: pytest.MonkeyPatch) -> None:
        described = {**state_identity.describe_machine(), key: value}
        patch.setattr(state_identity, "describe_machine", lambda: described)

    return change


STATISTICAL: dict[str, tuple[Callable[[pytest.MonkeyPatch], None], str]] = {
    **{
        name: (other_version(name), rf"versions\.{name}: checkpoint=[\d.]+, current=0\.1")
        for name in ("torch", "stable_baselines3", "sb3_contrib", "numpy", "numba", "gymnasium", "python")
    },
    "system": (other_machine("system", "Windows"), "machine.system: checkpoint=Linux, current=Windows"),
    "architecture": (
        other_machine("architecture", "aarch64"),
        r"machine.architecture: checkpoint=\S+, current=aarch64",
    ),
    "instructions": (other_machine("instructions", "avx0"), r"machine.instructions: checkpoint=\S+, current=avx0"),
    "BLAS": (other_machine("OPENBLAS_CORETYPE", "Zen"), r"machine.OPENBLAS_CORETYPE: checkpoint=\S+, current=Zen"),
}


@pytest.mark.parametrize("row", STATISTICAL)
def test_another_machine_or_library_is_statistical(
    row: str, begun: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    change, line = STATISTICAL[row]
    shutil.copytree(begun, tmp_path / "moved")
    change(monkeypatch)
    assert train(tmp_path / "moved", ppo) == 0
    assert re.search(rf"\[CHECKPOINT\] Resume is statistical: {line}\n", capsys.readouterr().err)


def test_the_same_conditions_are_exact(begun: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(begun, tmp_path / "moved")
    assert train(tmp_path / "moved", ppo) == 0 and "statistical" not in capsys.readouterr().err


def test_another_script_is_statistical(
    begun: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(begun, tmp_path / "moved")
    changed = tmp_path / "pole.py"
    changed.write_text("print('other')\n", encoding="utf-8")
    monkeypatch.setattr(alone, "_script", lambda: changed)
    assert train(tmp_path / "moved", ppo) == 0
    assert re.search(r"Resume is statistical: code_digest: checkpoint=\w+, current=\w+\n", capsys.readouterr().err)


def test_another_number_of_threads_is_statistical(
    begun: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(begun, tmp_path / "moved")
    try:
        assert train(tmp_path / "moved", ppo, threads=2) == 0
    finally:
        torch.set_num_threads(1)
    assert "Resume is statistical: threads of torch: checkpoint=1, current=2" in capsys.readouterr().err


@contextmanager
def emulated_gpu(patch: pytest.MonkeyPatch) -> Iterator[None]:
    """A session whose checkpoints are those of a GPU, as far as a machine without one can write them."""
    describe = identity.describe_model
    with patch.context() as inside:
        inside.setattr(torch.cuda, "is_available", lambda: True)
        inside.setattr(torch.cuda, "get_rng_state_all", lambda: [torch.zeros(16, dtype=torch.uint8)])
        on_gpu = {"device_class": "cuda"}
        inside.setattr("orchestrator.sb3.script.training.describe_model", lambda model: {**describe(model), **on_gpu})
        yield


def test_a_checkpoint_of_a_gpu_is_statistical_on_a_cpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with emulated_gpu(monkeypatch):
        assert train(tmp_path, ppo, stop=True) == 75
    assert train(tmp_path, ppo) == 0
    assert "Resume is statistical: device_class: checkpoint=cuda, current=cpu\n" in capsys.readouterr().err


def test_another_model_of_gpu_is_statistical(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    other_machine("gpu", "Tesla T4")(monkeypatch)
    assert train(tmp_path, ppo, stop=True) == 75
    other_machine("gpu", "Tesla P100-PCIE-16GB")(monkeypatch)
    assert train(tmp_path, ppo) == 0
    line = "machine.gpu: checkpoint=Tesla T4, current=Tesla P100-PCIE-16GB"
    assert f"Resume is statistical: {line}\n" in capsys.readouterr().err


@pytest.mark.parametrize("same_bits", [True, False])
def test_another_model_of_processor_is_exact_if_it_gives_the_same_bits(
    same_bits: bool, begun: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(begun, tmp_path / "moved")
    monkeypatch.setattr(policy_probe, "computing_device", lambda model: "another processor")
    if not same_bits:
        answers = policy_probe.policy_answers

        def rounded(*given: Any) -> dict[str, Any]:
            return {name: one * np.float32(1 + 1e-6) for name, one in answers(*given).items()}

        monkeypatch.setattr(policy_probe, "policy_answers", rounded)
    assert train(tmp_path / "moved", ppo) == 0
    assert ("Resume is statistical: probe: other last bits" in capsys.readouterr().err) is not same_bits


class Counting(BaseCallback):
    def _on_step(self) -> bool:
        return True


def test_other_callbacks_are_statistical(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train(tmp_path, ppo, stop=True) == 75
    assert train(tmp_path, ppo, more=Counting()) == 0
    line = "callbacks: checkpoint=['Stop'], current=['Stop', 'Counting']; their state starts over"
    assert f"Resume is statistical: {line}" in capsys.readouterr().err


@pytest.mark.parametrize("falls", [True, False])
def test_a_higher_target_is_exact_unless_a_schedule_follows_it(
    falls: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def built() -> PPO:
        return ppo(arguments={"learning_rate": lambda left: 1e-3 * left} if falls else {})

    assert train(tmp_path, built, stop=True) == 75
    assert train(tmp_path, built, target=96) == 0
    line = "Resume is statistical: horizon_steps: checkpoint=64, current=96"
    assert (line in capsys.readouterr().err) is falls


REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "n_envs": (lambda: ppo(2), "arguments.n_envs: checkpoint=1, current=2"),
    "environment's argument": (lambda: ppo(slope=0.7), "env_arguments.Hill.slope: checkpoint=0.5, current=0.7"),
    "wrapper": (
        lambda: ppo(wrapper=lambda env: gymnasium.wrappers.TimeLimit(env, 20)),
        "arguments.env: checkpoint=DummyVecEnv Monitor Hill, current=DummyVecEnv TimeLimit Monitor Hill",
    ),
    "normalization": (
        lambda: ppo(around=VecNormalize),
        "arguments.env: checkpoint=DummyVecEnv Monitor Hill, current=VecNormalize DummyVecEnv Monitor Hill",
    ),
    "argument": (lambda: ppo(arguments={"gamma": 0.95}), "arguments.gamma: checkpoint=0.99, current=0.95"),
    "action space": (lambda: ppo(actions=3), r"action_space.n: checkpoint=2, current=3"),
    "policy": (
        lambda: PPO(Wider, make_vec_env(Hill, 1, seed=3), **SMALL, policy_kwargs={"net_arch": [4]}),
        "model.policy: checkpoint=ActorCriticPolicy, current=Wider",
    ),
    "network": (
        lambda: ppo(arguments={"policy_kwargs": {"net_arch": [5]}}),
        r"network: checkpoint=\[4\], current=\[5\]",
    ),
    "observation space": (lambda: ppo(size=2), r"observation_space.shape: checkpoint=\[1\], current=\[2\]"),
    "algorithm": (lambda: A2C("MlpPolicy", make_vec_env(Hill, 1)), "model.algorithm: checkpoint=PPO, current=A2C"),
}


@pytest.mark.parametrize("row", REFUSED)
def test_another_training_is_refused_with_cause_and_remedy(
    row: str, begun: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    build, cause = REFUSED[row]
    shutil.copytree(begun, tmp_path / "moved")
    assert train(tmp_path / "moved", build) == 2
    err = capsys.readouterr().err
    assert re.search(cause, err) and "Traceback" not in err
    assert "Undo the change, or use another folder (ORCHESTRATOR_FOLDER) to start over" in err
    weights = "orchestrator adopt " in err
    assert weights is (row not in ("observation space", "action space", "algorithm", "policy", "network"))


def test_another_limit_of_a_wrapper_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def limited(steps: int) -> Callable[[], Any]:
        return lambda: ppo(wrapper=lambda env: gymnasium.wrappers.TimeLimit(env, steps))

    assert train(tmp_path, limited(20), stop=True) == 75
    assert train(tmp_path, limited(30)) == 2
    assert "env_arguments.TimeLimit.max_episode_steps: checkpoint=20, current=30" in capsys.readouterr().err


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other ways to start a process take seconds")
def test_another_argument_of_environments_in_processes_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def built(slope: float) -> Callable[[], Any]:
        way: dict[str, Any] = {"vec_env_cls": SubprocVecEnv, "vec_env_kwargs": {"start_method": "fork"}}
        return lambda: PPO("MlpPolicy", make_vec_env(Hill, 1, env_kwargs={"slope": slope}, **way), **SMALL)

    assert train(tmp_path, built(0.5), stop=True) == 75
    assert train(tmp_path, built(0.7)) == 2
    assert "env_arguments.Hill.slope: checkpoint=0.5, current=0.7" in capsys.readouterr().err


class Steeper(Hill):
    """Its slope begins as the argument, and grows in training."""

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.slope += 0.01
        return super().step(action)


def test_an_attribute_that_begins_as_an_argument_may_change_in_training(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def built(slope: float) -> Callable[[], Any]:
        return lambda: PPO("MlpPolicy", make_vec_env(Steeper, 1, env_kwargs={"slope": slope}), **SMALL)

    assert train(tmp_path, built(0.5), stop=True) == 75
    assert train(tmp_path, built(0.7)) == 2
    assert "env_arguments.Steeper.slope: checkpoint=0.5, current=0.7" in capsys.readouterr().err
    assert train(tmp_path, built(0.5)) == 0
    assert "Resume is" not in capsys.readouterr().err


def test_libraries_that_cannot_load_the_checkpoint_are_refused_with_cause_and_remedy(
    begun: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*arguments: Any, **named: Any) -> None:
        raise RuntimeError("Error(s) in loading state_dict for ActorCriticPolicy")

    shutil.copytree(begun, tmp_path / "moved")
    other_version("torch")(monkeypatch)
    monkeypatch.setattr("orchestrator.sb3.checkpoint.resume.load_weights", fail)
    assert train(tmp_path / "moved", ppo) == 2
    err = capsys.readouterr().err
    assert "Resume is statistical: versions.torch: " in err and "Traceback" not in err
    assert "Cannot continue: pole_checkpoint_48_steps cannot be continued: Error(s) in loading state_dict" in err
    assert "Use the script and the library versions that wrote it, or another folder" in err


HERE = "tests/unit/sb3/test_other_moves.py"
ROWS = {
    "nothing": (HERE, "test_the_same_conditions_are_exact"),
    "version of torch": (HERE, "test_another_machine_or_library_is_statistical"),
    "device class": (HERE, "test_a_checkpoint_of_a_gpu_is_statistical_on_a_cpu"),
    "another model of GPU": (HERE, "test_another_model_of_gpu_is_statistical"),
    "operating system": (HERE, "test_another_machine_or_library_is_statistical"),
    "architecture": (HERE, "test_another_machine_or_library_is_statistical"),
    "vector instructions": (HERE, "test_another_machine_or_library_is_statistical"),
    "instructions chosen": (HERE, "test_another_machine_or_library_is_statistical"),
    "another model of processor": (HERE, "test_another_model_of_processor_is_exact_if_it_gives_the_same_bits"),
    "number of threads of torch": (HERE, "test_another_number_of_threads_is_statistical"),
    "number of threads set": (
        "tests/unit/kernel/training/test_identity.py",
        "test_another_number_of_threads_of_blas_ends_exact_resumes",
    ),
    "the script": (HERE, "test_another_script_is_statistical"),
    "callbacks": (HERE, "test_other_callbacks_are_statistical"),
    "a higher target, with": (HERE, "test_a_higher_target_is_exact_unless_a_schedule_follows_it"),
    "a higher target without": (HERE, "test_a_higher_target_is_exact_unless_a_schedule_follows_it"),
    "n_envs": (HERE, "test_another_training_is_refused_with_cause_and_remedy"),
    "an argument of the algorithm": (HERE, "test_another_training_is_refused_with_cause_and_remedy"),
    "an argument of the environment": (HERE, "test_another_limit_of_a_wrapper_is_named"),
    "wrappers": (HERE, "test_another_training_is_refused_with_cause_and_remedy"),
    "seed or settings": (
        "tests/acceptance/test_trials.py",
        "test_seed_has_its_own_models_directory_and_resumes_from_it",
    ),
    "observation space": (HERE, "test_another_training_is_refused_with_cause_and_remedy"),
    "algorithm, policy": (HERE, "test_another_training_is_refused_with_cause_and_remedy"),
}
"""Beginning of a row's first cell -> file and name of its test."""


def test_each_row_of_the_documentation_has_a_test() -> None:
    text = (REPOSITORY / "docs/RESUME.md").read_text(encoding="utf-8")
    table = text.partition("## Moving a training")[2].partition("\n## ")[0]
    _, _, *cells = [line.split("|")[1].strip() for line in table.splitlines() if line.startswith("|")]
    assert len(cells) == len(ROWS)
    for cell, (beginning, (file, name)) in zip(cells, ROWS.items(), strict=True):
        assert cell.startswith(beginning)
        assert f"def {name}(" in (REPOSITORY / file).read_text(encoding="utf-8")
