"""Scripts written from RL Zoo entries: they say what the entry says, and are Python whatever the entry holds."""

from __future__ import annotations

import ast
from typing import Any

import pytest

from orchestrator.core.zoo.algorithms import ALGORITHMS
from orchestrator.core.zoo.reading import read_entry
from orchestrator.stores.scaffold.zoo_script import ZooTraining, zoo_script
from orchestrator.stores.zoo.hyperparameter_file import choose_entry, read_zoo_file
from tests.conftest import PROJECT_ROOT

FILES = PROJECT_ROOT / "tests/fixtures/rl_zoo"


def script_of(stem: str, env: str) -> str:
    chosen = choose_entry(read_zoo_file(FILES / f"{stem}.yml", None), env, exists=True)
    return zoo_script(ZooTraining(env=env, entry=chosen.entry, source=f"{stem}.yml")).decode()


def training(env: str = "CartPole-v1", stem: str = "ppo", **keys: Any) -> ZooTraining:
    plain = {"n_timesteps": 1000, "policy": ALGORITHMS[stem].policies[0], **keys}
    return ZooTraining(env=env, entry=read_entry(plain, ALGORITHMS[stem]), source="x.yml")


def test_the_whole_script_of_an_entry() -> None:
    assert script_of("ppo", "CarRacing-v3").splitlines()[:36] == [
        '"""PPO on CarRacing-v3, with the hyper-parameters of RL Zoo: ppo.yml."""',
        "",
        "import gymnasium",
        "from gymnasium.wrappers.transform_observation import GrayscaleObservation",
        "from rl_zoo3.wrappers import FrameSkip, YAMLCompatResizeObservation",
        "from stable_baselines3 import PPO",
        "from stable_baselines3.common.env_util import make_vec_env",
        "from stable_baselines3.common.vec_env import VecFrameStack, VecNormalize",
        "from torch import nn",
        "",
        "import orchestrator",
        "",
        "",
        "def wrapped(env):",
        "    env = FrameSkip(env, skip=2)",
        "    env = YAMLCompatResizeObservation(env, shape=[64, 64])",
        "    env = GrayscaleObservation(env, keep_dim=True)",
        "    return env",
        "",
        "",
        "def linear(start):",
        '    """`lin_{start}` of RL Zoo: from start to 0 over the whole training."""',
        "    return lambda remaining: start * remaining",
        "",
        "",
        "with orchestrator.session(target=4_000_000, seed=0) as run:",
        "    env = make_vec_env(",
        '        lambda: gymnasium.make("CarRacing-v3"),',
        "        n_envs=8,",
        "        seed=run.seed,",
        "        wrapper_class=wrapped,",
        "    )",
        "    env = VecNormalize(env, norm_obs=False, norm_reward=True, gamma=0.99)",
        "    env = VecFrameStack(env, n_stack=2)",
        "    model = run.sb3(",
        "        lambda: PPO(",
    ]


@pytest.mark.parametrize(
    ("stem", "env", "lines"),
    [
        ("a2c", "ALE/Pong-v5", ["import ale_py", "AtariWrapper(env)", "n_stack=4", '"optimizer_class": RMSpropTFLike']),
        ("td3", "MountainCarContinuous-v0", ["OrnsteinUhlenbeckActionNoise(np.zeros(n_actions), 0.5", "noise=noise"]),
        ("sac", "FetchReach-v1", ["import gymnasium_robotics", "class=HerReplayBuffer", '"n_sampled_goal": 4']),
        ("ddpg", "HumanoidBulletEnv-v0", ["import pybullet_envs_gymnasium", 'train_freq=(1, "episode")']),
        ("ppo_lstm", "ALE/Pong-v5", ["AtariWrapper(env, terminal_on_life_loss=False)", "from sb3_contrib import Rec"]),
        ("ars", "Swimmer-v4", ['            "LinearPolicy",', "learning_rate=0.02", "n_envs=1"]),
        ("crossq", "HalfCheetah-v4", ["buffer_size=1_000_000", '"qf": [2_048, 2_048]']),
        ("ppo_lstm", "PendulumNoVel-v1", ["import rl_zoo3.import_envs  # noqa"]),
    ],
)
def test_what_an_entry_says_is_in_its_script(stem: str, env: str, lines: list[str]) -> None:
    text = script_of(stem, env)
    assert [line for line in lines if line not in text] == []


def test_layers_are_in_the_order_of_rl_zoo() -> None:
    text = zoo_script(
        training(
            normalize=True,
            frame_stack=2,
            env_wrapper="a.One",
            vec_env_wrapper=[{"b.Two": {"rate": 0.5}}],
            callback={"c.Three": {"every": 10}},
            env_kwargs={"gravity": 9.0},
            monitor_kwargs={"info_keywords": ["is_success"]},
            policy="d.Policy",
        )
    ).decode()
    places = [text.index(word) for word in ("make_vec_env(\n", "Two(env, rate=0.5)", "VecNormalize(env", "Stack(env")]
    assert places == sorted(places)
    assert 'gymnasium.make("CartPole-v1", gravity=9.0)' in text and "callback=[Three(every=10), run.callback]" in text
    assert 'monitor_kwargs={"info_keywords": ("is_success",)}' in text and "lambda: PPO(Policy, env, " in text


def test_processes_of_ars_are_no_environments() -> None:
    assert training(stem="ars", n_envs=8).n_envs == 1


def test_two_classes_of_one_name_get_two_names() -> None:
    text = zoo_script(training(env_wrapper=["a.env", "b.Same", "c.Same", "d.run"])).decode()
    assert "from a import env as env_2" in text and "from c import Same as Same_2" in text
    assert "from d import run as run_2" in text and "env = Same_2(env)" in text


@pytest.mark.parametrize(
    "odd", ['"""', "\\", "a\nb", "{x}", "'", "\u2028", "é", '"); import os; os.system("x")', "%s", "\x1b[0m"]
)
def test_texts_of_an_entry_cannot_leave_their_quotes(odd: str) -> None:
    one = training(env="CartPole-v1", env_kwargs={"text": odd, "deep": [{odd: (odd,)}]})
    tree = ast.parse(zoo_script(one))
    found = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    assert odd in found
    calls = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    assert "os.system" not in calls
    ast.parse(zoo_script(ZooTraining(env="CartPole-v1", entry=one.entry, source=odd)))


def test_libraries_are_all_that_the_script_and_its_environment_need() -> None:
    sb3 = {"gymnasium", "stable_baselines3"}
    assert set(training().libraries) == sb3
    assert set(training("HalfCheetah-v4", "tqc").libraries) == {*sb3, "sb3_contrib", "mujoco"}
    assert set(training("CarRacing-v3", env_wrapper="rl_zoo3.wrappers.FrameSkip").libraries) == {
        *sb3,
        *("Box2D", "pygame", "rl_zoo3"),
    }
    atari = "stable_baselines3.common.atari_wrappers.AtariWrapper"
    assert set(training("ALE/Pong-v5", env_wrapper=atari).libraries) == {*sb3, "ale_py", "cv2"}
    assert set(training("my_envs.grid:Grid-v0").libraries) == {*sb3, "my_envs"}
