"""The crossing as a plain gymnasium environment: it passes the libraries' checks and is the batch, step for step."""

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env as check_by_gymnasium
from stable_baselines3.common.env_checker import check_env as check_by_sb3

from validation_ch7.traffic.env.gym_env import TrafficSignalEnv
from validation_ch7.traffic.env.vec_env import TrafficSignalVecEnv

SHORT: dict[str, object] = {"decision_s": 10.0, "episode_s": 300.0}


# Queues have no bound that would not depend on the demand: an infinite upper one is meant.
@pytest.mark.filterwarnings("ignore:.*maximum value is infinity.*:UserWarning")
@pytest.mark.filterwarnings("ignore:.*not having been registered.*:UserWarning")
@pytest.mark.filterwarnings("ignore:.*`render_modes`.*:UserWarning")
def test_the_libraries_find_nothing_wrong() -> None:
    check_by_gymnasium(TrafficSignalEnv(environment=SHORT), skip_render_check=True)
    check_by_sb3(TrafficSignalEnv(environment=SHORT), skip_render_check=True)


def test_it_is_the_batch_step_for_step_over_several_episodes() -> None:
    single, batch = (
        TrafficSignalEnv(environment=SHORT, seed=5),
        TrafficSignalVecEnv(n_envs=1, seed=5, environment=SHORT),
    )
    observation, _ = single.reset()
    seen = batch.reset()
    actions = np.random.default_rng(0).integers(0, 2, 75)
    for action in actions:
        assert observation.tobytes() == seen[0].tobytes()
        observation, reward, terminated, truncated, info = single.step(action)
        seen, rewards, overs, infos = batch.step(np.array([action]))
        assert (reward, truncated, terminated) == (rewards[0], overs[0], False)
        if truncated:
            assert observation.tobytes() == infos[0]["terminal_observation"].tobytes()
            assert info["delay_s_per_veh"] == infos[0]["delay_s_per_veh"]
            observation, _ = single.reset()


def test_a_seed_chooses_the_episode_and_an_ended_one_goes_no_further() -> None:
    env = TrafficSignalEnv(environment=SHORT)

    def after_ten(seed: int | None) -> bytes:
        env.reset(seed=seed)
        return b"".join(env.step(np.int64(step % 2))[0].tobytes() for step in range(10))

    first = after_ten(3)
    assert after_ten(3) == first and after_ten(4) != first and after_ten(None) != first
    env.reset()
    for _ in range(30):
        truncated = env.step(np.int64(0))[3]
    assert truncated
    with pytest.raises(RuntimeError, match="reset"):
        env.step(np.int64(0))
