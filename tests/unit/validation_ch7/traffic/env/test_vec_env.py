"""The environment in the interface of stable-baselines3; its state can be saved and restored at any step."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stable_baselines3 import DQN
from stable_baselines3.common.monitor import Monitor

from validation_ch7.traffic.env.reward import reward_of
from validation_ch7.traffic.env.vec_env import TrafficSignalVecEnv

# Decisions every 2 s: unlike those every 10 s, some fall within yellow or all-red.
SHORT: dict[str, object] = {"decision_s": 2.0, "min_green_s": 5.0, "max_green_s": 16.0, "episode_s": 60.0}
DECISIONS = 30


def new_env(n_envs: int = 3, seed: int = 0, **changes: object) -> TrafficSignalVecEnv:
    return TrafficSignalVecEnv(n_envs=n_envs, seed=seed, environment={**SHORT, **changes})


def actions_at(step: int, n_envs: int) -> np.ndarray:
    return np.random.default_rng(step).integers(0, 2, n_envs)


def test_a_step_returns_the_documented_shapes_and_types() -> None:
    env = new_env()
    first = env.reset()
    observations, rewards, dones, infos = env.step(actions_at(0, 3))
    for seen in (first, observations):
        assert seen.shape == (3, 15) and seen.dtype == np.float32
        assert all(env.observation_space.contains(row) for row in seen)
    assert rewards.shape == (3,) and rewards.dtype == np.float32 and (rewards <= 0.0).all()
    assert dones.shape == (3,) and dones.dtype == np.bool_ and not dones.any()
    assert infos == [{}, {}, {}] and infos[0] is not infos[1]
    assert env.action_space.n == 2  # type: ignore[attr-defined]  # the space is discrete


def test_an_episode_ends_after_its_duration_and_the_next_starts_automatically() -> None:
    env = new_env()
    env.reset()
    total = np.zeros(3)
    for step in range(DECISIONS):
        observations, rewards, dones, infos = env.step(actions_at(step, 3))
        total += rewards
        assert dones.all() if step == DECISIONS - 1 else not dones.any()
    for copy, info in enumerate(infos):
        assert info["TimeLimit.truncated"] is True
        assert info["terminal_observation"].shape == (15,)
        assert info["terminal_observation"].tolist() != observations[copy].tolist()
        assert info["episode"]["r"] == pytest.approx(total[copy], rel=1e-5)
        assert info["episode"]["l"] == DECISIONS and info["episode"]["t"] == 0.0
        assert info["delay_s_per_veh"] >= 0.0
    assert (observations == np.eye(15, dtype=np.float32)[12]).all()  # empty, green for north-south
    assert not env.step(actions_at(0, 3))[2].any()


def test_every_episode_of_every_copy_has_its_own_demand() -> None:
    env = new_env()
    addresses: list[object] = []
    for _ in range(3):
        env.reset()
        addresses += env._simulation.addresses
    assert len(set(addresses)) == 9
    # An address of this environment has it.
    assert {address.split.name for address in addresses} == {"TRAINING"}  # type: ignore[attr-defined]


def test_the_demand_depends_only_on_the_seed() -> None:
    def rewards(seed: int) -> bytes:
        env = new_env(seed=seed)
        env.reset()
        return b"".join(env.step(actions_at(step, 3))[1].tobytes() for step in range(40))

    assert rewards(1) == rewards(1) != rewards(2)


def test_a_new_seed_applies_from_the_next_reset_and_survives_a_restore() -> None:
    env, fresh = new_env(seed=1), new_env(seed=2)
    env.reset()
    env.step(actions_at(0, 3))
    assert env.seed(2) == [2, 2, 2]
    env.step(actions_at(1, 3))  # the running episode continues
    resumed = new_env(seed=9)
    resumed.set_state(env.get_state())
    for one in (resumed, fresh):
        one.reset()
    assert resumed._simulation.addresses == fresh._simulation.addresses
    resumed.reset()
    assert resumed._simulation.addresses != fresh._simulation.addresses


def test_a_state_saved_before_the_first_reset_starts_with_the_first_episode() -> None:
    env, resumed = new_env(), new_env(seed=5)
    resumed.set_state(env.get_state())
    env.reset()
    resumed.reset()
    for step in range(5):
        assert env.step(actions_at(step, 3))[1].tobytes() == resumed.step(actions_at(step, 3))[1].tobytes()


def test_the_action_changes_the_outcome() -> None:
    total = {}
    for name in ("served alike", "one axis alone"):
        env = new_env(episode_s=600.0, max_green_s=120.0, decision_s=10.0)
        env.reset()
        total[name] = np.zeros(3)
        for step in range(60):
            action = (step // 3) % 2 if name == "served alike" else 0
            total[name] += env.step(np.full(3, action))[1]
    assert (total["served alike"] > total["one axis alone"] + 5.0).all()


def test_the_reward_is_the_negative_scaled_root_of_the_delay_rate() -> None:
    assert reward_of(np.array([0.0, 160.0, 1000.0]), 10.0).tolist() == [0.0, -1.0, -2.5]
    env = new_env()
    env.reset()
    for step in range(9):
        before = env._simulation.traffic.delay_veh_s()
        rewards = env.step(actions_at(step, 3))[1]
        new_delay = env._simulation.traffic.delay_veh_s() - before
        assert (new_delay >= 0.0).all()
        assert rewards == pytest.approx(-np.sqrt(new_delay / 2.0) / 4.0, abs=1e-6)


@settings(max_examples=40, deadline=None)
@given(cut=st.integers(0, 2 * DECISIONS + 5), n_envs=st.integers(1, 4), seed=st.integers(0, 3))
def test_a_restored_environment_continues_bit_for_bit_from_any_state(cut: int, n_envs: int, seed: int) -> None:
    env = new_env(n_envs, seed)
    env.reset()
    for step in range(cut):
        env.step(actions_at(step, n_envs))
    resumed = new_env(n_envs, seed=99)
    resumed.reset()
    resumed.step(actions_at(7, n_envs))
    resumed.set_state(env.get_state())
    for step in range(cut, cut + DECISIONS + 3):
        ours, theirs = (one.step(actions_at(step, n_envs)) for one in (env, resumed))
        for mine, other in zip(ours[:3], theirs[:3], strict=True):
            assert mine.tobytes() == other.tobytes()
        assert str(ours[3]) == str(theirs[3])
    assert_equal_trees(env.get_state(), resumed.get_state())


def test_some_decisions_fall_within_change_intervals() -> None:
    env = new_env()
    env.reset()
    changing = 0
    for step in range(DECISIONS - 1):
        env.step(actions_at(step, 3))
        changing += int((env._simulation.signal.change_steps_left > 0).sum())
    assert changing >= 10


def test_a_saved_state_is_not_changed_by_later_steps() -> None:
    env = new_env()
    env.reset()
    env.step(actions_at(0, 3))
    state = env.get_state()
    kept = new_env()
    kept.set_state(state)
    for step in range(20):
        env.step(actions_at(step, 3))
        kept.step(actions_at(step + 1, 3))
    restored = new_env()
    restored.set_state(state)
    assert_equal_trees(restored.get_state(), state)


def assert_equal_trees(one: Any, other: Any) -> None:
    assert type(one) is type(other)
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        for name in one:
            assert_equal_trees(one[name], other[name])
    elif isinstance(one, np.ndarray):
        assert one.dtype == other.dtype and one.tobytes() == other.tobytes()
    else:
        assert isinstance(one, str | int | float | bool | None) and one == other


@pytest.mark.parametrize("flaw", ["n_envs", "settings", "simulation", "episode"])
def test_a_state_that_does_not_fit_is_refused(flaw: str) -> None:
    env = new_env(4) if flaw == "n_envs" else new_env(3, min_green_s=4.0) if flaw == "settings" else new_env()
    env.reset()
    state = env.get_state()
    if flaw in ("simulation", "episode"):
        state[flaw] = None
    with pytest.raises(ValueError, match=r"state"):
        new_env().set_state(state)


def test_a_step_before_the_reset_is_refused() -> None:
    with pytest.raises(RuntimeError, match="reset"):
        new_env().step(np.zeros(3))


def test_an_unknown_key_of_the_card_is_refused() -> None:
    with pytest.raises(ValueError, match="did you mean decision_s"):
        new_env(desicion_s=10.0)


def test_attributes_and_methods_are_accessed_as_in_any_vec_env() -> None:
    env = new_env()
    assert env.get_attr("num_envs") == [3, 3, 3] and env.get_attr("render_mode", 0) == [None]
    assert env.has_attr("settings") and not env.has_attr("wheels")
    env.set_attr("colour", "red")
    assert env.get_attr("colour", [0, 2]) == ["red", "red"]
    with pytest.raises(ValueError, match="share"):
        env.set_attr("colour", "green", 1)
    assert env.env_method("close", indices=[1]) == [None]
    assert env.env_is_wrapped(Monitor) == [False, False, False]
    assert env.seed() == [0, 0, 0] and env.seed(5) == [5, 5, 5]


def test_a_model_trains_and_records_the_rewards_of_whole_episodes() -> None:
    model = DQN("MlpPolicy", new_env(), learning_starts=30, batch_size=16, train_freq=1, seed=0, device="cpu")
    model.learn(3 * DECISIONS * 2)
    assert model.ep_info_buffer is not None and len(model.ep_info_buffer) == 6
    assert all(episode["r"] < 0.0 for episode in model.ep_info_buffer)
    assert model._n_updates > 0
