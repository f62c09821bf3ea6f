"""A trained policy is read from the folder of its models."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stable_baselines3 import PPO

from orchestrator.kernel.wire import BEST_MODEL, METADATA_NAME
from tests.sumo.__main__ import Lineup
from tests.sumo.policy import load_policy
from validation_ch7.traffic.env.senses import senses_of
from validation_ch7.traffic.env.settings import EnvironmentSettings
from validation_ch7.traffic.env.simulation import CrossingSimulation
from validation_ch7.traffic.env.vec_env import TrafficSignalVecEnv
from validation_ch7.traffic.model.demand import ScenarioAddress, Split, draw_scenarios


def saved(folder: Path, block: dict[str, Any]) -> PPO:
    """An untrained policy of a card's block `environment`, with the files that `load_policy` reads."""
    env = TrafficSignalVecEnv(n_envs=1, seed=0, environment=block)
    model = PPO("MlpPolicy", env, n_steps=8, batch_size=8, device="cpu", seed=0)
    (folder / BEST_MODEL).parent.mkdir(parents=True)
    model.save(folder / BEST_MODEL)
    identity = {"identity": {"algorithm": "PPO", "environment": block}}
    (folder / METADATA_NAME).write_text(json.dumps(identity), encoding="utf-8")
    return model


@pytest.mark.parametrize(
    "block", [{"decision_s": 5.0}, {"decision_s": 2.0, "learning": {"observation": "profile"}}], ids=str
)
def test_policy_decides_as_the_model_that_was_saved(tmp_path: Path, block: dict[str, Any]) -> None:
    settings = EnvironmentSettings.from_mapping(block)
    model = saved(tmp_path, block)
    controller, environment = load_policy(tmp_path, "policy_1")
    assert (controller.name, controller.resolution_s, environment) == ("policy_1", block["decision_s"], block)
    addresses = [ScenarioAddress(split=Split.TUNING, index=index) for index in range(20)]
    scenarios = draw_scenarios(addresses, episode_s=3600.0, vf_m_s=settings.traffic.vf_m_s)
    simulation = CrossingSimulation(settings, scenarios)
    simulation.request(np.ones(20, dtype=np.int64))
    simulation.advance(600)
    senses = senses_of(settings)
    actions = model.predict(senses.observe(simulation), deterministic=True)[0]
    assert np.array_equal(controller.decide(simulation), senses.phases(simulation, actions))


def test_policies_of_the_same_crossing_are_compared_whatever_they_see(tmp_path: Path) -> None:
    environment = {"decision_s": 10.0, "episode_s": 600.0}
    saved(tmp_path / "seeing", {**environment, "decision_s": 2.0, "learning": {"observation": "profile"}})
    saved(tmp_path / "other", {**environment, "min_green_s": 8.0})
    assert Lineup.of(environment, [tmp_path / "seeing"], n_tuning=1).policies == ["policy_1"]
    with pytest.raises(ValueError, match="another crossing"):
        Lineup.of(environment, [tmp_path / "other"], n_tuning=1)


def test_missing_policy_is_named_with_the_command_that_trains_one(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="make run"):
        load_policy(tmp_path, "policy_1")
