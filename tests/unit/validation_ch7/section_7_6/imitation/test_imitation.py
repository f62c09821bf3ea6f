"""Learning from a look ahead: what it predicts, what the environment rewards, and what the buffer keeps."""

import copy
from typing import Any

import numpy as np
import pytest
from stable_baselines3 import DQN

from orchestrator.sb3.state.training_state_io import capture_state, restore_state
from validation_ch7.section_7_6_rl_performance.imitation.predicted_choices import PredictedChoices
from validation_ch7.section_7_6_rl_performance.imitation.teacher import teacher_of
from validation_ch7.traffic.env.profile import mirrors
from validation_ch7.traffic.env.settings import EnvironmentSettings
from validation_ch7.traffic.env.simulation import CrossingSimulation
from validation_ch7.traffic.env.vec_env import SAVED, TrafficSignalVecEnv
from validation_ch7.traffic.model.arz import Floats
from validation_ch7.traffic.model.demand import ScenarioAddress, Split, draw_scenarios

LOOK: dict[str, Any] = {"gap_s": 1.5, "max_green_s": 60.0, "delays_s": [0.0, 4.0], "horizon_s": 30.0, "every": 2}
CARD: dict[str, Any] = {
    "decision_s": 2.0,
    "episode_s": 300.0,
    "learning": {"observation": "profile", "look_ahead": LOOK},
}
SETTINGS = EnvironmentSettings.from_mapping(CARD)


def simulation(batch: int = 4, steps: int = 100, **look: Any) -> CrossingSimulation:
    addresses = [ScenarioAddress(split=Split.TRAINING, index=index) for index in range(batch)]
    scenarios = draw_scenarios(addresses, episode_s=300.0, vf_m_s=SETTINGS.traffic.vf_m_s)
    made = CrossingSimulation(SETTINGS, scenarios)
    made.advance(steps)
    return made


def new_env(n_envs: int = 4) -> TrafficSignalVecEnv:
    return TrafficSignalVecEnv(n_envs=n_envs, seed=0, environment=CARD, look_ahead=teacher_of(SETTINGS))


def test_crossings_are_predicted_in_turn_and_only_where_the_phase_may_change() -> None:
    teacher = teacher_of(SETTINGS)
    assert teacher is not None and teacher_of(EnvironmentSettings()) is None
    assert np.isnan(teacher(simulation(steps=4))).all()  # the least green is not over
    assert np.isnan(teacher(simulation(steps=100))).tolist() == [True, False, True, False]
    assert np.isnan(teacher(simulation(steps=104))).tolist() == [False, True, False, True]


def test_a_change_saves_delay_where_only_the_other_axis_waits() -> None:
    crossing = simulation(batch=2, steps=100)
    states: dict[str, Any] = dict(crossing.traffic.get_state())
    for link, veh_m in ((0, 0.0), (1, 0.0), (2, 0.12), (3, 0.12)):
        states["rho"][link * 2 : link * 2 + 2] = veh_m
        states["inside"][link * 2 : link * 2 + 2] = veh_m * SETTINGS.traffic.n_cells
    crossing.traffic.set_state(states)
    teacher = teacher_of(SETTINGS)
    assert teacher is not None
    assert teacher(crossing)[1] > 1.0
    crossing.signal.phase[:] = 1
    assert teacher(crossing)[1] < -1.0


def test_a_decision_is_rewarded_with_half_of_what_it_saves() -> None:
    def saved(crossing: CrossingSimulation) -> Floats:
        return np.array([4.0, 4.0, -2.0, np.nan])

    env = TrafficSignalVecEnv(n_envs=4, seed=0, environment=CARD, look_ahead=saved)
    env.reset()
    _, rewards, _, infos = env.step(np.array([1, 0, 0, 1]))
    assert rewards.tolist() == [2.0, -2.0, 1.0, 0.0]
    assert infos == [{SAVED: 4.0}, {SAVED: 4.0}, {SAVED: -2.0}, {}]


def test_the_training_demand_is_that_of_the_card() -> None:
    heavy = {**CARD, "learning": {"demand": {"base_veh_h": [900.0, 900.0], "peak_veh_h": [0.0, 0.0]}}}
    arrived = []
    for environment in (CARD, heavy):
        env = TrafficSignalVecEnv(n_envs=8, seed=0, environment=environment)
        env.reset()
        for _ in range(149):
            env.step(np.zeros(8))
        arrived.append(env._simulation.traffic.total_arrived_veh().mean())
    assert arrived[1] == pytest.approx(4 * 75.0, rel=0.1) and arrived[1] > 1.3 * arrived[0]


def test_the_buffer_keeps_predicted_decisions_and_knows_both_actions() -> None:
    env = new_env()
    buffer = PredictedChoices(40, env.observation_space, env.action_space, n_envs=4)
    empty = buffer.sample(3)
    assert not empty.rewards.any() and not empty.observations.any()
    seen = np.arange(4 * 63, dtype=np.float32).reshape(4, 63)
    infos = [{SAVED: 3.0}, {}, {SAVED: -1.0}, {}]
    buffer.add(seen, seen, np.array([1, 1, 0, 0]), np.array([1.5, 0.0, 0.5, 0.0]), np.zeros(4), infos)
    assert buffer.size() == 2
    np.random.seed(0)
    drawn = buffer.sample(200)
    found = {(int(a), float(r)) for a, r in zip(drawn.actions[:, 0], drawn.rewards[:, 0], strict=True)}
    assert found == {(1, 1.5), (0, -1.5), (0, 0.5), (1, -0.5)}
    assert (drawn.dones == 1.0).all()
    rows = {tuple(row[order]) for row in (seen[0], seen[2]) for order in mirrors()}
    assert {tuple(row.numpy()) for row in drawn.observations} <= rows


def new_model() -> DQN:
    return DQN(
        "MlpPolicy",
        new_env(),
        replay_buffer_class=PredictedChoices,
        learning_starts=40,
        buffer_size=500,
        batch_size=16,
        train_freq=1,
        policy_kwargs={"net_arch": [8]},
        seed=0,
    )


def test_a_training_continues_exactly_from_its_state() -> None:
    straight = new_model()
    straight.learn(200)
    kept, parameters = capture_state(straight), copy.deepcopy(straight.get_parameters())
    straight.learn(120, reset_num_timesteps=False)
    resumed = new_model()
    resumed.learn(0)
    resumed.set_parameters(parameters)
    restore_state(resumed, kept)
    assert resumed.replay_buffer is not None and resumed.replay_buffer.size() > 40
    resumed.learn(120, reset_num_timesteps=False)
    for one, other in zip(straight.policy.parameters(), resumed.policy.parameters(), strict=True):
        assert one.detach().numpy().tobytes() == other.detach().numpy().tobytes()
