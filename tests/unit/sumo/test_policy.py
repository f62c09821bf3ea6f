"""A trained policy is read from the folder of its models."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from stable_baselines3 import PPO

from orchestrator.kernel.wire import BEST_MODEL, METADATA_NAME
from tests.sumo.policy import load_policy
from validation_ch7.traffic.env.gym_env import TrafficSignalEnv
from validation_ch7.traffic.env.observation import observe
from validation_ch7.traffic.env.settings import EnvironmentSettings
from validation_ch7.traffic.env.simulation import CrossingSimulation
from validation_ch7.traffic.model.demand import ScenarioAddress, Split, draw_scenarios


def test_policy_decides_as_the_model_that_was_saved(tmp_path: Path) -> None:
    settings = EnvironmentSettings(decision_s=5.0)
    block = {"decision_s": 5.0}
    model = PPO("MlpPolicy", TrafficSignalEnv(environment=block), n_steps=8, batch_size=8, device="cpu", seed=0)
    (tmp_path / BEST_MODEL).parent.mkdir()
    model.save(tmp_path / BEST_MODEL)
    identity = {"identity": {"algorithm": "PPO", "environment": block}}
    (tmp_path / METADATA_NAME).write_text(json.dumps(identity), encoding="utf-8")
    controller, environment = load_policy(tmp_path, "policy_1")
    assert (controller.name, controller.resolution_s, environment) == ("policy_1", 5.0, block)
    addresses = [ScenarioAddress(split=Split.TUNING, index=index) for index in range(20)]
    scenarios = draw_scenarios(addresses, episode_s=3600.0, vf_m_s=settings.traffic.vf_m_s)
    simulation = CrossingSimulation(settings, scenarios)
    simulation.advance(600)
    wanted = model.predict(observe(simulation), deterministic=True)[0]
    assert np.array_equal(controller.decide(simulation), wanted)


def test_missing_policy_is_named_with_the_command_that_trains_one(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="make run"):
        load_policy(tmp_path, "policy_1")
