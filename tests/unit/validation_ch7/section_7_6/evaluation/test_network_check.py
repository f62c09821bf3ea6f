"""Saturated and dead networks are found, for every policy of stable-baselines3 that a card may name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import sb3_contrib
import stable_baselines3
import torch
from made_results import result as made_result
from stable_baselines3.common.policies import BasePolicy

from orchestrator.sb3.envs.discrete_to_box import SignActions, as_choices
from validation_ch7.section_7_6_rl_performance.controllers.policy import PolicyController
from validation_ch7.section_7_6_rl_performance.evaluation.evaluation import evaluate
from validation_ch7.section_7_6_rl_performance.evaluation.network_check import NetworkCheck, _hours, check_network
from validation_ch7.traffic.env.vec_env import TrafficSignalVecEnv
from validation_ch7.traffic.model.demand import Split

CARD: dict[str, object] = {"episode_s": 600.0}
CONTINUOUS = {"SAC", "TD3", "DDPG", "TQC", "CrossQ"}
LAYERS = {
    **dict.fromkeys(("PPO", "A2C", "TRPO", "MaskablePPO"), (2, "Tanh")),
    **dict.fromkeys(("DQN", "QRDQN", *sorted(CONTINUOUS)), (2, "ReLU")),
    "RecurrentPPO": (2, "Tanh"),
}


def policy_of(algorithm: str, **policy_kwargs: Any) -> BasePolicy:
    env: Any = TrafficSignalVecEnv(n_envs=1, seed=0, environment=CARD)
    kind = getattr(stable_baselines3, algorithm, None) or getattr(sb3_contrib, algorithm)
    name = "MlpLstmPolicy" if algorithm == "RecurrentPPO" else "MlpPolicy"
    env = SignActions(env) if algorithm in CONTINUOUS else env
    small = {} if algorithm not in CONTINUOUS | {"DQN", "QRDQN"} else {"buffer_size": 100}
    policy: BasePolicy = kind(
        name, env, seed=1, device="cpu", policy_kwargs={"net_arch": [16, 16], **policy_kwargs}, **small
    ).policy
    policy.set_training_mode(False)
    return policy


def checked(policy: BasePolicy) -> NetworkCheck:
    def predict(seen: Any) -> Any:
        return as_choices(policy.predict(seen, deterministic=True)[0], policy.action_space)

    controller = PolicyController(predict, 10.0)
    result = evaluate(controller, environment=CARD, split=Split.TEST, n_scenarios=3)
    return check_network(policy, controller, result, CARD)


@pytest.mark.parametrize(
    "algorithm",
    [one if one in ("PPO", "DQN", "TD3") else pytest.param(one, marks=pytest.mark.prove) for one in LAYERS],
)
def test_the_hidden_layers_of_every_algorithm_are_watched(algorithm: str) -> None:
    """Only those that decide: no layer of a value network or a critic, and no activation that limits the output."""
    policy = policy_of(algorithm)
    found = checked(policy)
    number, kind = LAYERS[algorithm]
    assert found.without == "" and len(found.responding) == number, found
    assert all(name.endswith(f"({kind})") for name in found.responding)
    assert not any(word in name for name in found.responding for word in ("value", "critic", "target"))
    assert found.faults == () and min(found.responding.values()) > 0.2
    assert not any(module._forward_hooks for module in policy.modules())  # the watch has ended


def test_a_network_without_hidden_activations_is_reported_as_not_checked() -> None:
    for policy in (policy_of("PPO", net_arch=[]), policy_of("PPO", activation_fn=torch.nn.Identity)):
        found = checked(policy)
        assert found.faults == () and "no activations" in found.without
        assert "does_not_apply" in found.in_short()


def dead(policy: BasePolicy) -> None:
    """No unit of the first layer is ever above zero."""
    first_layer(policy).bias.fill_(-1e3)


def saturated(policy: BasePolicy) -> None:
    """Every unit is at one of its two bounds, whatever the observation."""
    for layer in linear_layers(policy)[:2]:
        layer.weight.mul_(1e5)
        layer.bias.mul_(1e5)


def stuck(policy: BasePolicy) -> None:
    """Large weights on the queues: beyond some vehicles every unit is at its bound, whatever else the policy sees."""
    layer = first_layer(policy)
    layer.weight.fill_(0.0)
    layer.weight[:, :4] = 1e4


def linear_layers(policy: BasePolicy) -> list[Any]:
    network: Any = policy.mlp_extractor.policy_net if hasattr(policy, "mlp_extractor") else policy.q_net.q_net
    return [layer for layer in network if isinstance(layer, torch.nn.Linear)]


def first_layer(policy: BasePolicy) -> Any:
    return linear_layers(policy)[0]


@pytest.mark.parametrize(
    ("algorithm", "spoil", "layer"),
    [("DQN", dead, "q_net.q_net.1 (ReLU)"), ("PPO", saturated, "policy_net.3 (Tanh)"), ("PPO", stuck, "policy_net.1")],
    ids=["dead", "saturated", "stuck"],
)
def test_a_layer_that_does_not_respond_is_a_fault(
    algorithm: str, spoil: Callable[[BasePolicy], None], layer: str
) -> None:
    policy = policy_of(algorithm)
    with torch.no_grad():
        spoil(policy)
    found = checked(policy)
    assert any("blind in heavy traffic" in fault and layer in fault for fault in found.faults), found
    assert "in 3 of 3 scenarios" in found.faults[-1]


@pytest.mark.parametrize(("n", "watched"), [(1, 1), (5, 5), (8, 8), (9, 9), (16, 16), (17, 16), (400, 16)])
def test_the_worst_hours_are_watched_and_others_of_every_kind(n: int, watched: int) -> None:
    delays_s = np.random.default_rng(3).permutation(np.arange(1.0, n + 1.0))
    hours = _hours(replace(made_result("rl", 20.0, n=n), delay_s_per_veh=delays_s, first_index=7))
    assert len(set(hours.tolist())) == len(hours) == watched
    of_hours_s = delays_s[hours - 7].tolist()
    assert of_hours_s[: min(n, 8)] == sorted(delays_s.tolist(), reverse=True)[:8]
    assert min(of_hours_s) == 1.0  # the easiest hour is among the others


def test_observations_that_do_not_differ_are_not_judged() -> None:
    policy = policy_of("PPO")
    controller = PolicyController(lambda seen: np.asarray(policy.predict(0.0 * seen, deterministic=True)[0]), 10.0)
    result = evaluate(controller, environment=CARD, split=Split.TEST, n_scenarios=2)
    found = check_network(policy, controller, result, CARD)
    assert found.faults == () and "hardly differ" in found.without
