"""The block of an algorithm takes every argument of its constructor, checked by name, type and limit."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from orchestrator.core.errors import BadInput
from orchestrator.kernel.algorithms.hyperparameters import KINDS, read_hyper_parameters
from orchestrator.kernel.algorithms.registry import PATH, REGISTRY, constructor_of
from orchestrator.sb3.algorithms.constructors import as_text, describe_constructors
from orchestrator.stores.section.card_yaml import load_card, parse_card, read_settings

CARD = """section: mine
script: train.py
algorithm: {name}
algorithms: {block}
profiles:
  quick: {sizes}
  full: {sizes}
"""
SIZES = {"target_steps": 1000, "checkpoint_every_steps": 100, "evaluate_every_steps": 100, "evaluation_scenarios": 2}


def card_of(algorithm: str, block: dict[str, Any]) -> Any:
    sizes = json.dumps(SIZES)
    return parse_card(CARD.format(name=algorithm, block=json.dumps({algorithm: block}), sizes=sizes), "mine.yaml")


def test_the_file_describes_the_installed_libraries() -> None:
    described = describe_constructors()
    assert json.loads(PATH.read_text(encoding="utf-8")) == described, (
        "run `python -m orchestrator.sb3.algorithms.constructors`"
    )
    assert PATH.read_text(encoding="utf-8") == as_text(described)


@pytest.mark.parametrize("algorithm", list(REGISTRY))
def test_every_default_of_the_library_is_a_value_that_a_card_may_give(algorithm: str) -> None:
    constructor = constructor_of(algorithm)
    known = {name: one.default for name, one in constructor.arguments.items() if one.default is not None}
    inner = {name: one.default for name, one in constructor.policy_kwargs.items() if one.default is not None}
    policy = next(name for name, lacking in constructor.policies.items() if not lacking)
    block = {**known, "policy": policy, "policy_kwargs": inner}
    card = card_of(algorithm, block)
    found = card.hyper_parameters
    assert {name: found.value(name) for name in known} == known
    assert read_hyper_parameters(algorithm, json.loads(json.dumps(card.lineage.to_json()["hyper_parameters"]))) == found
    empty = card_of(algorithm, {}).hyper_parameters
    assert empty.arguments == {} and empty.n_envs == 1 and empty.rollout_steps == found.rollout_steps


@pytest.mark.parametrize("algorithm", ["PPO", "RecurrentPPO", "MaskablePPO"])
@pytest.mark.parametrize("sizes", [(1, 8, 256), (2, 100, 64), (1, 65, 64)])
def test_a_last_batch_may_be_smaller_unless_it_gives_nan(algorithm: str, sizes: tuple[int, int, int]) -> None:
    block = dict(zip(("n_envs", "n_steps", "batch_size"), sizes, strict=True))
    if sizes != (1, 65, 64) or algorithm == "PPO":
        assert card_of(algorithm, block).hyper_parameters.arguments["batch_size"] == sizes[2]
        return
    with pytest.raises(BadInput, match=r"batch_size: 64 leaves one advantage of n_envs \* n_steps = 65"):
        card_of(algorithm, block)
    assert card_of(algorithm, {**block, "normalize_advantage": False})


ENTRY = {
    "n_envs": 8,
    "normalize": {"norm_obs": True, "norm_reward": False, "clip_obs": 5.0},
    "policy": "MlpPolicy",
    "learning_rate": "lin_3e-4",
    "clip_range": {"start": 0.2, "end": 0.1, "over_steps": 500},
    "n_steps": 1e2,
    "batch_size": 50,
    "vf_coef": 0.6,
    "max_grad_norm": 0.7,
    "target_kl": None,
    "policy_kwargs": {
        "net_arch": {"pi": [32, 32], "vf": [64]},
        "activation_fn": "leaky_relu",
        "ortho_init": False,
        "log_std_init": -2,
    },
    "env_wrapper": [
        "gymnasium.wrappers.FlattenObservation",
        {"gymnasium.wrappers.TimeLimit": {"max_episode_steps": 9}},
    ],
    "frame_stack": 4,
}


def test_an_entry_of_the_rl_zoo_is_read_here_and_in_the_session_alike() -> None:
    card = card_of("PPO", ENTRY)
    found = card.hyper_parameters
    assert found.arguments["n_steps"] == 100 and found.rollout_steps == 800 and card.network == ()
    assert found.policy_kwargs.given["net_arch"] == {"pi": (32, 32), "vf": (64,)}
    assert found.normalization.arguments == {"norm_obs": True, "norm_reward": False, "clip_obs": 5.0}
    plain = json.loads(json.dumps(card.lineage.to_json()["hyper_parameters"]))
    assert "target_kl" not in plain and read_hyper_parameters("PPO", plain) == found


WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("PPO", {"vf_coeff": 0.5}, "algorithms.PPO.vf_coeff: unknown key, did you mean vf_coef?"),
    ("PPO", {"buffer_size": 5}, "algorithms.PPO.buffer_size: unknown key"),
    ("PPO", {"net_arch": [64]}, "it is policy_kwargs.net_arch of the algorithm, or the card's `network`"),
    ("PPO", {"n_timesteps": 5}, "profiles.full.target_steps is 1000; a section has one target"),
    ("PPO", {"policy_kwargs": {"net_arc": [8]}}, "did you mean net_arch?"),
    (
        "PPO",
        {"policy_kwargs": {"net_arch": {"pi": [8], "qf": [8]}}},
        "policy_kwargs.net_arch needs pi and vf, not pi, qf",
    ),
    ("PPO", {"policy_kwargs": {"net_arch": [8, 0]}}, "net_arch: each layer needs at least one unit"),
    ("PPO", {"policy_kwargs": {"activation_fn": "rellu"}}, "Input should be 'relu', 'tanh'"),
    ("PPO", {"policy": "MlpLstmPolicy"}, "Input should be 'MlpPolicy', 'CnnPolicy' or 'MultiInputPolicy'"),
    ("RecurrentPPO", {"policy": "MlpPolicy"}, "Input should be 'MlpLstmPolicy'"),
    ("RecurrentPPO", {"policy_kwargs": {"shared_lstm": True}}, "shared_lstm: true needs enable_critic_lstm: false"),
    ("PPO", {"gamma": "0.9"}, "algorithms.PPO.gamma: Input should be a valid number"),
    ("PPO", {"gamma": None}, "algorithms.PPO.gamma: Input should be a valid number"),
    ("PPO", {"learning_rate": "lin_x"}, "learning_rate must be a number, lin_ and a number above 0 (lin_3e-4)"),
    ("PPO", {"learning_rate": -1e-3}, "learning_rate must be above 0 and finite, not -0.001"),
    ("PPO", {"n_steps": 1.5}, "algorithms.PPO.n_steps: Input should be a valid integer"),
    ("PPO", {"batch_size": 1}, "batch_size must be above 1, since one advantage cannot be normalized"),
    ("MaskablePPO", {"batch_size": 1}, "batch_size must be above 1"),
    ("A2C", {"n_steps": 1, "normalize_advantage": True}, "n_envs * n_steps must be above 1"),
    ("TRPO", {"n_steps": 1}, "n_envs * n_steps must be above 1"),
    ("DQN", {"learning_starts": -5}, "learning_starts must not be negative"),
    ("DQN", {"n_envs": 100_000}, "n_envs: must not exceed 65536, not 100000"),
    ("DQN", {"n_envs": 8, "buffer_size": 4}, "buffer_size must be at least 8 with n_envs: 8, not 4"),
    ("DQN", {"buffer_size": 2, "n_steps": 3}, "buffer_size must be at least 3 with n_envs: 1, not 2"),
    ("SAC", {"target_update_interval": 0}, "target_update_interval must be above 0 for SAC, not 0"),
    ("SAC", {"gradient_steps": 0}, "gradient_steps must be above 0, or -1, not 0"),
    ("SAC", {"n_envs": 2, "train_freq": [1, "episode"]}, "train_freq in episodes needs n_envs: 1, not 2"),
    ("SAC", {"train_freq": [0, "step"]}, "train_freq must be above 0, not 0"),
    ("SAC", {"train_freq": [1, "episodes"]}, "Input should be 'step' or 'episode'"),
    ("SAC", {"target_entropy": "automatic"}, "target_entropy must be auto or a number, not automatic"),
    ("SAC", {"replay_buffer_class": "HerReplayBuffer"}, "HerReplayBuffer needs policy: MultiInputPolicy"),
    ("SAC", {"replay_buffer_kwargs": {"n_sampled_goals": 4}}, "did you mean n_sampled_goal?"),
    ("SAC", {"replay_buffer_kwargs": {"n_sampled_goal": "four"}}, "n_sampled_goal does not fit integer: 'four'"),
    ("SAC", {"optimize_memory_usage": True}, "needs replay_buffer_kwargs: {handle_timeout_termination: false}"),
    ("SAC", {"optimize_memory_usage": True, "n_steps": 2}, "optimize_memory_usage works with the plain ReplayBuffer"),
    (
        "SAC",
        {"n_steps": 2, "policy": "MultiInputPolicy"},
        "n_steps above 1 has no effect with policy: MultiInputPolicy",
    ),
    ("TQC", {"top_quantiles_to_drop_per_net": 25}, "must be below n_quantiles = 25, not 25"),
    ("ARS", {"n_delta": 4, "n_top": 5}, "n_top must not exceed n_delta = 4, not 5"),
    ("ARS", {"policy": "LinearPolicy", "policy_kwargs": {"net_arch": [4]}}, "has no effect with policy: LinearPolicy"),
    (
        "DQN",
        {"exploration": {"start": 1.0, "end": 0.1, "over_steps": 5}, "exploration_fraction": 0.2},
        "exploration and exploration_fraction give the same value",
    ),
    ("QRDQN", {"n_quantiles": 5, "policy_kwargs": {"n_quantiles": 5}}, "give the same value"),
    ("PPO", {"normalize": {"observations": True, "norm_obs": True}}, "observations and norm_obs mean the same"),
    ("PPO", {"normalize": {"norm_obs": False, "norm_reward": False}}, "normalize needs observations or rewards"),
    ("PPO", {"env_wrapper": "TimeLimit"}, "env_wrapper must be the path of a class"),
    ("PPO", {"policy_kwargs": {"optimizer_class": "Adam"}}, "optimizer_class must be the path of a class"),
]


@pytest.mark.parametrize(("algorithm", "block", "words"), WRONG)
def test_what_the_library_would_refuse_in_the_session_is_refused_here(
    algorithm: str, block: dict[str, Any], words: str
) -> None:
    with pytest.raises(BadInput) as refused:
        card_of(algorithm, block)
    assert words in str(refused.value)
    if "n_envs" not in block or block["n_envs"] < 65_536:  # that limit is the orchestrator's own
        with pytest.raises(ValueError, match=re.escape("hyper_parameters")):
            read_hyper_parameters(algorithm, block)


@pytest.mark.parametrize(
    ("algorithm", "block", "place"),
    [
        ("SAC", {"target_entropy": float("nan")}, "target_entropy"),
        ("PPO", {"policy_kwargs": {"log_std_init": float("nan")}}, "policy_kwargs.log_std_init"),
    ],
)
def test_nan_is_no_value_of_an_argument(algorithm: str, block: dict[str, Any], place: str) -> None:
    words = re.escape(f"{place} must be a number, not nan")
    with pytest.raises(ValueError, match=words):
        read_hyper_parameters(algorithm, block)
    text = json.dumps({algorithm: block}).replace("NaN", ".nan")
    with pytest.raises(BadInput, match=words):
        parse_card(CARD.format(name=algorithm, block=text, sizes=json.dumps(SIZES)), "mine.yaml")


@pytest.mark.parametrize("layers", ["[]", "[0]"])
def test_layers_of_a_card_are_layers(layers: str) -> None:
    text = CARD.format(name="PPO", block='{"PPO": {}}', sizes=json.dumps(SIZES)) + f"network: {layers}\n"
    with pytest.raises(BadInput, match="network needs at least one layer"):
        parse_card(text, "mine.yaml")


def test_set_reaches_arguments_that_the_card_leaves_out(project_root: Path) -> None:
    folder = project_root / "configs/sections"
    words = ["algorithms.PPO.policy_kwargs.net_arch=[32]", "algorithms.PPO.vf_coef=0.7", "algorithm=PPO"]
    card: Any = load_card(folder, "section_7_6", read_settings(words))
    assert card.trial and card.hyper_parameters.policy_kwargs.given == {"net_arch": (32,)}
    assert card.hyper_parameters.vf_coef == 0.7
    for word in ("algorithms.TQC.gamma=0.9", "algorithms.PPO.policy_kwargs.net_arc=[3]", "algorithms.PPO.normal=true"):
        with pytest.raises(BadInput):
            load_card(folder, "section_7_6", read_settings([word]))


def test_left_out_arguments_are_no_part_of_a_lineage() -> None:
    block = {"n_steps": 64, "learning_rate": 1e-3}
    lineage = card_of("PPO", block).lineage.to_json()
    assert lineage["hyper_parameters"] == {**block, "n_envs": 1, "selection_scenarios": 20}
    assert set(KINDS) == set(REGISTRY)
