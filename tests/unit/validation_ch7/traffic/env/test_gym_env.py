"""The crossing as a plain gymnasium environment: it passes the libraries' checks and equals the vector environment."""

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env as check_by_gymnasium
from stable_baselines3.common.env_checker import check_env as check_by_sb3

from validation_ch7.traffic.env.gym_env import TrafficSignalEnv
from validation_ch7.traffic.env.vec_env import TrafficSignalVecEnv

SHORT: dict[str, object] = {"decision_s": 10.0, "episode_s": 300.0}


# The upper bound of queues is infinite on purpose: a finite one would depend on the demand.
@pytest.mark.filterwarnings("ignore:.*maximum value is infinity.*:UserWarning")
@pytest.mark.filterwarnings("ignore:.*not having been registered.*:UserWarning")
@pytest.mark.filterwarnings("ignore:.*`render_modes`.*:UserWarning")
def test_the_environment_checks_of_the_libraries_pass() -> None:
    check_by_gymnasium(TrafficSignalEnv(environment=SHORT), skip_render_check=True)
    check_by_sb3(TrafficSignalEnv(environment=SHORT), skip_render_check=True)


def test_it_equals_the_vector_environment_at_every_step_of_several_episodes() -> None:
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
        seen, rewards, dones, infos = batch.step(np.array([action]))
        assert (reward, truncated, terminated) == (rewards[0], dones[0], False)
        if truncated:
            assert observation.tobytes() == infos[0]["terminal_observation"].tobytes()
            assert info["delay_s_per_veh"] == infos[0]["delay_s_per_veh"]
            observation, _ = single.reset()


def test_the_seed_chooses_the_episode_and_an_ended_episode_refuses_steps() -> None:
    env = TrafficSignalEnv(environment=SHORT)

    def observations_of_ten_steps(seed: int | None) -> bytes:
        env.reset(seed=seed)
        return b"".join(env.step(np.int64(step % 2))[0].tobytes() for step in range(10))

    first = observations_of_ten_steps(3)
    assert (
        observations_of_ten_steps(3) == first
        and observations_of_ten_steps(4) != first
        and observations_of_ten_steps(None) != first
    )
    env.reset()
    for _ in range(30):
        truncated = env.step(np.int64(0))[3]
    assert truncated
    with pytest.raises(RuntimeError, match="reset"):
        env.step(np.int64(0))
