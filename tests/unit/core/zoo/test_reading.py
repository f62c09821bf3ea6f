"""Entries of RL Zoo: what each key means, and that nothing is dropped in silence."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.core.errors import BadInput
from orchestrator.core.zoo.algorithms import ALGORITHMS, algorithm_named, require_algorithm
from orchestrator.core.zoo.classes import CLASSES, known_her
from orchestrator.core.zoo.entry import ClassCall, EntryFaults, Linear, Noise, ZooEntry
from orchestrator.core.zoo.reading import read_entry


def entry(stem: str = "ppo", **keys: Any) -> ZooEntry:
    algorithm = ALGORITHMS[stem]
    return read_entry({"n_timesteps": 1000, "policy": algorithm.policies[0], **keys}, algorithm)


def faults(stem: str = "ppo", **keys: Any) -> dict[tuple[Any, ...], str]:
    with pytest.raises(EntryFaults) as caught:
        entry(stem, **keys)
    return caught.value.faults


@pytest.mark.parametrize("given", [1e6, 1_000_000, "1e6", "1_000_000", "1000000.0", " 1e6 "])
def test_steps_are_a_whole_number_in_any_form(given: Any) -> None:
    assert entry(n_timesteps=given).n_timesteps == 1_000_000


@pytest.mark.parametrize("given", [0, -5, 1.5, "abc", True, float("nan"), float("inf"), 1e300, [1], {}, "1e", "9" * 60])
def test_other_steps_are_refused(given: Any) -> None:
    assert "a whole number from 1 to" in faults(n_timesteps=given)[("n_timesteps",)]


@pytest.mark.parametrize(
    ("given", "value"),
    [
        ("lin_3e-4", Linear(3e-4)),
        ("linear_0.2", Linear(0.2)),
        (3e-4, 3e-4),
        ("1e-4", 1e-4),
        (1, 1),
        ("lin_1", Linear(1.0)),
    ],
)
def test_a_rate_is_a_number_or_falls(given: Any, value: Any) -> None:
    assert entry(learning_rate=given, clip_range=given).arguments == {"learning_rate": value, "clip_range": value}
    assert entry("ars", delta_std=given).arguments == {"delta_std": value}


@pytest.mark.parametrize("given", ["exp_0.1", "lin_", "lin_x", "lin_lin_1", "fast", True, [1e-3], {"a": 1}, "lin_inf"])
def test_other_rates_are_refused(given: Any) -> None:
    assert "a number or lin_X" in faults(learning_rate=given)[("learning_rate",)]


@pytest.mark.parametrize(
    ("given", "value"),
    [
        (True, {}),
        (False, None),
        ("yes", {}),
        (None, None),
        ({"norm_reward": False}, {"norm_reward": False}),
        ("dict(norm_obs=True, norm_reward=False)", {"norm_obs": True, "norm_reward": False}),
        ("{'norm_obs': False, 'clip_obs': 5.}", {"norm_obs": False, "clip_obs": 5.0}),
    ],
)
def test_normalization_in_each_form(given: Any, value: Any) -> None:
    assert entry(normalize=given).normalize == value


def test_normalization_has_the_discount_of_the_algorithm() -> None:
    assert entry(normalize=True, gamma=0.9).normalize == {"gamma": 0.9}
    assert entry(normalize="dict(gamma=0.5)", gamma=0.9).normalize == {"gamma": 0.9}  # as RL Zoo: the algorithm's wins
    assert "did you mean norm_obs" in faults(normalize={"norm_ob": True})[("normalize",)]
    assert "true, false or arguments" in faults(normalize="dict(norm_obs=np.array(1))")[("normalize",)]


def test_wrappers_in_each_form() -> None:
    first = ClassCall(module="minigrid.wrappers", name="FlatObsWrapper", arguments={})
    second = ClassCall(module="a.b", name="C", arguments={"skip": 2, "shape": [64, 64]})
    assert entry(env_wrapper="minigrid.wrappers.FlatObsWrapper").env_wrapper == (first,)
    several = [{"minigrid.wrappers.FlatObsWrapper": None}, {"a.b.C": {"skip": 2, "shape": [64, 64]}}]
    assert entry(env_wrapper=several).env_wrapper == (first, second)
    assert entry(vec_env_wrapper=several).vec_env_wrapper == (first, second)
    assert entry(callback=several).callbacks == (first, second)
    assert entry(env_wrapper=None).env_wrapper == ()
    assert "check the indentation of a.B, skip" in faults(env_wrapper=[{"a.B": None, "skip": 2}])[("env_wrapper",)]
    assert "the path of a class" in faults(env_wrapper="FlatObsWrapper")[("env_wrapper",)]
    assert "the path of a class" in faults(env_wrapper=["a.b; import os"])[("env_wrapper",)]
    assert "Python's own" in faults(env_wrapper="a.class.B")[("env_wrapper",)]
    assert "name of an argument" in faults(env_wrapper=[{"a.B": {"x=1, y": 2}}])[("env_wrapper",)]


def test_policy_arguments_in_both_forms() -> None:
    text = "dict(net_arch=dict(pi=[64], vf=[64]), activation_fn=nn.ReLU, log_std_init=-2, ortho_init=False)"
    wanted = {
        "net_arch": {"pi": [64], "vf": [64]},
        "activation_fn": CLASSES["nn.ReLU"],
        "log_std_init": -2,
        "ortho_init": False,
    }
    assert entry(policy_kwargs=text).arguments["policy_kwargs"] == wanted
    mapping = {**wanted, "activation_fn": "nn.ReLU"}
    assert entry(policy_kwargs=mapping).arguments["policy_kwargs"] == wanted
    assert entry(policy_kwargs={"activation_fn": "relu"}).arguments["policy_kwargs"]["activation_fn"].name == "ReLU"
    assert "did you mean net_arch?" in faults(policy_kwargs="dict(netarch=[8])")[("policy_kwargs",)]
    assert (
        "ARS's LinearPolicy"
        in faults("ars", policy="LinearPolicy", policy_kwargs="dict(net_arch=[8])")[("policy_kwargs",)]
    )
    assert entry(policy="my.Policy", policy_kwargs={"depth": 3}).arguments == {"policy_kwargs": {"depth": 3}}
    assert "os.system(...) is not allowed" in faults(policy_kwargs="os.system('x')")[("policy_kwargs",)]
    assert "a mapping or a text" in faults(policy_kwargs=[64, 64])[("policy_kwargs",)]


def test_layers_of_the_former_form() -> None:
    layers = entry(policy_kwargs="dict(net_arch=[dict(pi=[64], vf=[64])])").arguments["policy_kwargs"]["net_arch"]
    assert layers == {"pi": [64], "vf": [64]}
    assert "share" in faults(policy_kwargs="dict(net_arch=[64, dict(pi=[8], vf=[8])])")[("policy_kwargs",)]


@pytest.mark.parametrize(
    ("given", "value"),
    [
        (8, 8),
        ([1, "episode"], (1, "episode")),
        ('(1, "episode")', (1, "episode")),
        ("[4, 'step']", (4, "step")),
        ("64", 64),
    ],
)
def test_train_freq(given: Any, value: Any) -> None:
    assert entry("sac", train_freq=given, gradient_steps=-1).arguments == {"train_freq": value, "gradient_steps": -1}


@pytest.mark.parametrize("given", [[1, "epoch"], [1], [0, "step"], "episode", 0, 1.5, [1, "step", 2]])
def test_other_train_freq_is_refused(given: Any) -> None:
    assert ("train_freq",) in faults("sac", train_freq=given)


def test_noise() -> None:
    assert entry("td3", noise_type="normal", noise_std=0.1).noise == Noise(kind="normal", sigma=0.1)
    found = entry("ddpg", noise_type=" ornstein-uhlenbeck ", noise_std="0.5").noise
    assert found == Noise(kind="ornstein_uhlenbeck", sigma=0.5)
    assert "normal or ornstein-uhlenbeck" in faults("td3", noise_type="adaptive", noise_std=0.1)[("noise_type",)]
    assert "noise_std" in faults("td3", noise_type="normal")[("noise_type",)]
    assert "noise_type" in faults("td3", noise_std=0.1)[("noise_std",)]
    assert "no argument" in faults("ppo", noise_type="normal", noise_std=0.1)[("noise_type",)]
    assert entry("sac", noise_type=None).noise is None


def test_replay_buffers() -> None:
    found = entry(
        "sac",
        replay_buffer_class="HerReplayBuffer",
        replay_buffer_kwargs="dict(goal_selection_strategy='future', n_sampled_goal=4)",
    )
    assert found.arguments["replay_buffer_class"] == known_her()
    assert found.arguments["replay_buffer_kwargs"]["n_sampled_goal"] == 4
    own = entry("sac", replay_buffer_class="mine.buffers.Buffer").arguments["replay_buffer_class"]
    assert own.path == "mine.buffers.Buffer" and own in entry("sac", replay_buffer_class=own.path).calls
    assert ("replay_buffer_class",) in faults("sac", replay_buffer_class="eval('x')")


@pytest.mark.parametrize("given", ["auto", "auto_0.1", 0.1, "0.1", 0])
def test_entropy_of_sac(given: Any) -> None:
    value = 0.1 if given == "0.1" else given
    assert entry("sac", ent_coef=given).arguments == {"ent_coef": value}


def test_an_unknown_key_is_refused_with_the_nearest_one() -> None:
    found = faults(batchsize=64, n_env=4, vf_coeff=0.5, zzz=1)
    assert "did you mean batch_size?" in found[("batchsize",)] and "did you mean n_envs?" in found[("n_env",)]
    assert "PPO has no argument of this name" in found[("zzz",)] and len(found) == 4
    assert "DQN has no argument" in faults("dqn", clip_range=0.2)[("clip_range",)]


def test_a_policy_of_another_algorithm_is_refused() -> None:
    assert "did you mean MlpLstmPolicy?" in faults("ppo_lstm", policy="MlpPolicy")[("policy",)]
    assert ("policy",) in faults(policy=7)
    own = entry(policy="mine.nets.Policy").policy
    assert isinstance(own, ClassCall) and own.path == "mine.nets.Policy"


def test_switches_numbers_and_nothing() -> None:
    assert entry(use_sde="yes", normalize_advantage=False).arguments == {"use_sde": True, "normalize_advantage": False}
    assert "true or false" in faults(use_sde=1)[("use_sde",)]
    assert "a number" in faults(gamma="high")[("gamma",)] and "a number" in faults(gamma=True)[("gamma",)]
    assert entry(target_kl=None).arguments == {"target_kl": None}
    assert entry("sac", buffer_size="1_000_000", batch_size=256.0).arguments == {
        "buffer_size": 1_000_000,
        "batch_size": 256,
    }


def test_arguments_of_environment_and_monitor() -> None:
    found = entry(env_kwargs={"gravity": -5.0}, monitor_kwargs="dict(info_keywords=('is_success',))", frame_stack=4)
    assert (found.env_kwargs, found.monitor_kwargs, found.frame_stack) == (
        {"gravity": -5.0},
        {"info_keywords": ("is_success",)},
        4,
    )
    assert entry(monitor_kwargs={"reset_keywords": ["a"]}).monitor_kwargs == {"reset_keywords": ("a",)}
    assert "did you mean info_keywords" in faults(monitor_kwargs={"info_keyword": []})[("monitor_kwargs",)]


def test_former_entries_of_her() -> None:
    plain = {
        "model_class": "tqc",
        "policy": "MlpPolicy",
        "n_timesteps": 1e5,
        "n_sampled_goal": 4,
        "goal_selection_strategy": "future",
        "online_sampling": True,
        "max_episode_length": 100,
    }
    found = read_entry(plain, ALGORITHMS["tqc"])
    assert found.policy == "MultiInputPolicy" and found.arguments["replay_buffer_class"] == known_her()
    assert found.arguments["replay_buffer_kwargs"] == {"n_sampled_goal": 4, "goal_selection_strategy": "future"}
    (note,) = found.notes
    assert note.startswith("online_sampling and max_episode_length: ")


def test_arguments_of_the_replay_buffer_that_are_gone_are_left_out_with_a_note() -> None:
    buffer = "dict(online_sampling=True, goal_selection_strategy='future', n_sampled_goal=4, max_episode_length=100)"
    found = entry("sac", replay_buffer_class="HerReplayBuffer", replay_buffer_kwargs=buffer)
    assert found.arguments["replay_buffer_kwargs"] == {"goal_selection_strategy": "future", "n_sampled_goal": 4}
    assert found.notes[0].startswith("online_sampling and max_episode_length: ")
    assert "online_sampled is no argument" in faults("sac", replay_buffer_kwargs="dict(online_sampled=True)")[BUFFER]
    assert "is not allowed" in faults("sac", replay_buffer_kwargs="open(1)")[BUFFER]


BUFFER = ("replay_buffer_kwargs",)


@pytest.mark.parametrize(
    ("stem", "keys", "key", "why"),
    [
        ("sac", {"n_envs": 4, "train_freq": [1, "episode"]}, "train_freq", "in episodes it needs n_envs: 1, not 4"),
        ("dqn", {"optimize_memory_usage": True}, "optimize_memory_usage", "handle_timeout_termination=False"),
        ("ars", {"n_delta": 2, "n_top": 3}, "n_top", "must not exceed n_delta = 2, not 3"),
        ("sac", {"ent_coef": "auto_x"}, "ent_coef", "number"),
        ("sac", {"ent_coef": "auto_-1"}, "ent_coef", "auto_X with a number X above 0"),
        ("sac", {"ent_coef": "automatic"}, "ent_coef", "auto, auto_X with a number X above 0, or a number"),
        ("sac", {"target_entropy": "auto_3"}, "target_entropy", "auto or a number"),
    ],
)
def test_what_the_library_refuses_later_is_refused_here(stem: str, keys: dict[str, Any], key: str, why: str) -> None:
    assert why in faults(stem, **keys)[(key,)]


def test_what_the_library_accepts_together_is_read() -> None:
    lean = entry("dqn", optimize_memory_usage=True, replay_buffer_kwargs="dict(handle_timeout_termination=False)")
    assert lean.arguments["optimize_memory_usage"] is True
    learned = entry("sac", train_freq=[1, "episode"], ent_coef="auto_0.1", target_entropy="auto").arguments
    assert (learned["ent_coef"], learned["target_entropy"]) == ("auto_0.1", "auto")


@pytest.mark.parametrize(
    ("word", "name"),
    [
        ("ppo", "PPO"),
        ("ppo_lstm", "RecurrentPPO"),
        ("RecurrentPPO", "RecurrentPPO"),
        ("QR-DQN", "QRDQN"),
        ("TQC", "TQC"),
    ],
)
def test_algorithms_by_their_words(word: str, name: str) -> None:
    found = algorithm_named(word)
    assert found is not None and found.name == name


def test_unknown_algorithms_are_refused() -> None:
    with pytest.raises(BadInput) as caught:
        require_algorithm("ppoo")
    assert "Did you mean ppo?" in str(caught.value.remedy)
