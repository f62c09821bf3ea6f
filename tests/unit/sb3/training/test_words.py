"""The words of a card reach the constructor as the library's objects; what an installed library lacks is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from sb3_contrib import TQC
from stable_baselines3.common.buffers import NStepReplayBuffer
from stable_baselines3.common.vec_env import DummyVecEnv, VecFrameStack, VecNormalize
from stable_baselines3.her import HerReplayBuffer
from tiny_single import Goal, Named, env_of
from tiny_world import TinyVecEnv, bench, spec_of, tiny_world

from orchestrator.kernel.outcome import SessionRefused
from orchestrator.sb3.algorithms import words
from orchestrator.sb3.checkpoint.resume import begin_training
from orchestrator.sb3.loop import train
from orchestrator.sb3.training.factory import build_model
from orchestrator.sb3.training.training_spec import TrainingSpec


def model_of(
    algorithm: str, block: dict[str, Any], env: Any = None, *, network: tuple[int, ...] = (), target: int = 1000
) -> Any:
    spec = spec_of("DQN")
    spec["lineage"].update(algorithm=algorithm, hyper_parameters=block, network=list(network))
    lineage = TrainingSpec.from_json(spec).lineage
    env = TinyVecEnv(block.get("n_envs", 1), 7) if env is None else env
    return build_model(lineage, env, device="cpu", target_steps=target)


def test_policy_arguments_in_the_words_of_the_rl_zoo() -> None:
    block = {
        "policy_kwargs": {
            "net_arch": {"pi": [8], "vf": [9, 7]},
            "activation_fn": "elu",
            "ortho_init": False,
            "optimizer_class": "rmsprop_tf_like",
            "optimizer_kwargs": {"eps": 1e-4},
        },
        "clip_range_vf": 0.3,
        "n_steps": 8,
        "batch_size": 4,
    }
    model = model_of("PPO", block, network=(64, 64))
    policy = model.policy
    assert policy.net_arch == {"pi": [8], "vf": [9, 7]} and policy.activation_fn is torch.nn.ELU
    assert type(policy.optimizer).__name__ == "RMSpropTFLike" and policy.optimizer.defaults["eps"] == 1e-4
    assert model.clip_range_vf(0.5) == 0.3 and policy.ortho_init is False


def test_the_layers_of_the_card_or_of_the_library_are_the_default() -> None:
    assert model_of("TD3", {}).policy.net_arch == [400, 300]
    assert model_of("TD3", {}, network=(5, 6)).policy.net_arch == [5, 6]
    assert model_of("PPO", {"policy_kwargs": {"net_arch": []}}, network=(5,)).policy.net_arch == []


def test_replay_buffers_by_name() -> None:
    hindsight = {"policy": "MultiInputPolicy", "replay_buffer_class": "HerReplayBuffer", "buffer_size": 100}
    model = model_of("TQC", {**hindsight, "replay_buffer_kwargs": {"n_sampled_goal": 7}}, DummyVecEnv([Goal]))
    assert isinstance(model, TQC) and isinstance(model.replay_buffer, HerReplayBuffer)
    assert model.replay_buffer.n_sampled_goal == 7
    model = model_of("DQN", {"n_steps": 3, "gamma": 0.9, "buffer_size": 100})
    assert type(model.replay_buffer) is NStepReplayBuffer and model.replay_buffer.gamma == 0.9


def test_schedules_over_the_whole_training_end_at_its_target() -> None:
    model = model_of("PPO", {"learning_rate": "lin_4e-4", "n_steps": 8, "batch_size": 4}, target=1000)
    for steps, rate in ((0, 4e-4), (500, 2e-4), (1000, 0.0), (1200, 0.0)):
        model._update_current_progress_remaining(steps, 77)
        assert model.lr_schedule(model._current_progress_remaining) == pytest.approx(rate)
    plan = {"start": 1e-3, "end": 1e-4, "over_steps": 4000}
    model = model_of("DQN", {"learning_rate": plan, "exploration_fraction": 0.5, "buffer_size": 100}, target=1000)
    assert model.horizon_steps == 4000
    for steps, exploration in ((0, 1.0), (250, 0.525), (500, 0.05), (900, 0.05)):
        model._update_current_progress_remaining(steps, 77)
        assert model.exploration_schedule(model._current_progress_remaining) == pytest.approx(exploration)
    model._update_current_progress_remaining(2000, 77)
    assert model.lr_schedule(model._current_progress_remaining) == pytest.approx(5.5e-4)


def test_a_schedule_over_the_whole_training_needs_the_target() -> None:
    spec = spec_of("ARS")
    with pytest.raises(ValueError, match="spans the whole training"):
        build_model(TrainingSpec.from_json(spec).lineage, env_of("ARS"), device="cpu")


def session(working: Path, target: int, floor: str = "statistical") -> Any:
    spec = spec_of("MaskablePPO", target_steps=target, resume_floor=floor)  # with clip_range_vf: lin_0.3
    test_bench = bench(working, spec)
    world = tiny_world()
    world = type(world)(build_env=lambda lineage: env_of("MaskablePPO"), evaluate=world.evaluate)
    try:
        return train(test_bench.context, test_bench.plan, world)
    finally:
        test_bench.context.reporter.close()


def test_a_raised_target_of_such_a_schedule_is_statistical_or_refused(tmp_path: Path) -> None:
    session(tmp_path, 128)
    with pytest.raises(SessionRefused, match="horizon_steps: checkpoint=128, current=256"):
        session(tmp_path, 256, floor="exact")
    grade = session(tmp_path, 256).training.grade
    assert grade.grade == "statistical" and grade.reasons == ("horizon_steps: checkpoint=128, current=256",)


class Doubled(gymnasium.ObservationWrapper[Any, Any, Any]):
    def __init__(self, env: Any, *, factor: float = 2.0) -> None:
        super().__init__(env)
        self.factor = factor
        self.observation_space = gymnasium.spaces.Box(-18, 18, (1,), np.float32)

    def observation(self, observation: Any) -> Any:
        return observation["observation"] * self.factor


def test_wrappers_are_added_in_the_order_of_the_rl_zoo(monkeypatch: pytest.MonkeyPatch) -> None:
    paths = {"tests.Doubled": Doubled}
    found = words.class_at
    monkeypatch.setattr("orchestrator.sb3.envs.layers.class_at", lambda path, key: paths.get(path) or found(path, key))
    env = DummyVecEnv([Named, Named])
    env.seed(5)
    block = {
        "n_envs": 2,
        "n_steps": 8,
        "batch_size": 4,
        "env_wrapper": [{"tests.Doubled": {"factor": 3.0}}],
        "vec_env_wrapper": "stable_baselines3.common.vec_env.VecMonitor",
        "normalize": {"norm_reward": False, "clip_obs": 4.0},
        "frame_stack": 2,
    }
    model = model_of("PPO", block, env)
    stacked = model.env
    assert type(stacked) is VecFrameStack and type(stacked.venv) is VecNormalize
    assert (stacked.venv.clip_obs, stacked.venv.norm_reward, stacked.venv.gamma) == (4.0, False, 0.99)
    assert type(stacked.venv.venv).__name__ == "VecMonitor" and stacked.unwrapped.envs[1].factor == 3.0
    assert stacked.observation_space.shape == (2,)


@pytest.mark.parametrize(
    ("block", "words_of_refusal"),
    [
        ({"env_wrapper": "gymnasium.wrappers.TimeLimit"}, "env_wrapper needs separate environments in a DummyVecEnv"),
        ({"vec_env_wrapper": "nowhere.Wrapper"}, "vec_env_wrapper: nowhere.Wrapper cannot be imported"),
        ({"policy_kwargs": {"features_extractor_class": "torch.nn.Nothing"}}, "torch.nn.Nothing cannot be imported"),
        ({"policy": "CnnPolicy"}, "PPO refuses its arguments or its environment"),
    ],
)
def test_what_cannot_be_built_is_refused_with_its_reason(block: dict[str, Any], words_of_refusal: str) -> None:
    with pytest.raises(SessionRefused, match=words_of_refusal):
        model_of("PPO", {"n_steps": 8, "batch_size": 4, **block})


def test_an_argument_that_the_installed_library_lacks_is_refused() -> None:
    class Older:
        def __init__(self, policy: str, gamma: float = 0.95) -> None: ...

    with pytest.raises(SessionRefused, match=r"has no argument vf_coef of PPO; the card was checked against version 2"):
        words.require_known(Older, "PPO", {"gamma": 0.9, "vf_coef": 0.5})
    assert words.recorded_defaults(Older, "PPO") == {"gamma": 0.99}  # a card means the same with either version


def test_state_of_a_buffer_that_cannot_be_saved_is_refused_where_exact_is_required(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = spec_of("DQN n steps", resume_floor="exact")
    monkeypatch.setattr(
        "orchestrator.sb3.checkpoint.resume.lost_of_algorithm", lambda model: ("OwnBuffer.draws: an iterator",)
    )
    test_bench = bench(tmp_path, spec)
    with pytest.raises(SessionRefused, match=r"requires exact resumes, but checkpoints cannot save: OwnBuffer\.draws"):
        begin_training(test_bench.context, test_bench.plan, tiny_world())
    test_bench.context.reporter.close()
