"""Policies: collected from models directories, named by digest, and loaded so that they act as in section 7.6."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from made_study import environment
from stable_baselines3 import A2C

from orchestrator.sb3.algorithms.normalization import load_normalization
from tests.doubles.best_models import card_environment, make_best_model
from validation_ch7.section_7_6_rl_performance.controllers.policy import PolicyController
from validation_ch7.section_7_7_robustness.collect import collect, main
from validation_ch7.section_7_7_robustness.conditions.family import Condition
from validation_ch7.section_7_7_robustness.evaluation.policies import load_policies
from validation_ch7.section_7_7_robustness.evaluation.study import evaluated
from validation_ch7.traffic.env.vec_env import TrafficSignalVecEnv

SHORT = environment(episode_s=600.0)


def test_the_policies_of_the_default_run_and_of_trials_are_collected(tmp_path: Path) -> None:
    source, target = tmp_path / "section_7_6", tmp_path / "policies"
    digests = [make_best_model(source / "data/models", seed=0)]
    digests += [make_best_model(source / f"trials/{seed}/data/models", seed=seed) for seed in (1, 2)]
    lines = collect([source], target)
    assert [line[:12] for line in lines] == sorted(digest[:12] for digest in digests)
    loaded = load_policies(target, SHORT)
    assert [one.digest for one in loaded] == sorted(digests)
    assert loaded[0].name == f"rl {sorted(digests)[0][:8]}" == loaded[0].controller.name
    first = {path: path.read_bytes() for path in target.rglob("*") if path.is_file()}
    collect([source], target)
    assert first == {path: path.read_bytes() for path in target.rglob("*") if path.is_file()}


def test_a_second_collection_replaces_the_first_and_keeps_other_files(tmp_path: Path) -> None:
    target = tmp_path / "policies"
    make_best_model(tmp_path / "old", seed=0)
    newer = make_best_model(tmp_path / "new", seed=1)
    collect([tmp_path / "old"], target)
    (target / "README.md").write_text("mine", encoding="utf-8")
    (target / "notes").mkdir()
    collect([tmp_path / "new"], target)
    assert sorted(path.name for path in target.iterdir()) == sorted([newer[:12], "README.md", "notes"])


def test_without_a_model_the_command_names_the_one_that_trains(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path)]) == 2
    assert "python -m orchestrator run section_7_6" in capsys.readouterr().err


def test_a_damaged_model_is_named_and_the_collected_ones_stay(tmp_path: Path) -> None:
    target = tmp_path / "policies"
    digest = make_best_model(tmp_path / "good")
    collect([tmp_path / "good"], target)
    make_best_model(tmp_path / "bad", seed=1)
    zipped = tmp_path / "bad/best_model/best_model.zip"
    zipped.write_bytes(zipped.read_bytes()[:-5])
    with pytest.raises(ValueError, match="bad"):
        collect([tmp_path / "bad"], target)
    assert [one.digest for one in load_policies(target, SHORT)] == [digest]


def test_a_normalized_policy_acts_as_the_plain_library_lets_it(tmp_path: Path) -> None:
    make_best_model(tmp_path, "A2C")
    collect([tmp_path], tmp_path / "policies")
    (policy,) = load_policies(tmp_path / "policies", SHORT)
    model = A2C.load(tmp_path / "best_model/best_model.zip", device="cpu")
    env = load_normalization(
        tmp_path / "best_model/best_model.zip", TrafficSignalVecEnv(n_envs=4, seed=0, environment=card_environment())
    )
    plain = PolicyController(
        lambda seen: model.predict(env.normalize_obs(seen), deterministic=True)[0], policy.controller.resolution_s
    )
    found, expected = (evaluated(one, Condition(), SHORT, 3).to_array() for one in (policy.controller, plain))
    assert np.array_equal(found, expected)


@pytest.mark.parametrize("algorithm", ["DQN", "SAC"])
def test_policies_of_other_algorithms_load(tmp_path: Path, algorithm: str) -> None:
    digest = make_best_model(tmp_path, algorithm)
    collect([tmp_path], tmp_path / "policies")
    (policy,) = load_policies(tmp_path / "policies", SHORT)
    assert policy.digest == digest
    assert np.isfinite(evaluated(policy.controller, Condition(), SHORT, 2).delay_s_per_veh).all()


def test_a_policy_of_another_crossing_is_refused_by_name(tmp_path: Path) -> None:
    digest = make_best_model(tmp_path, max_green_s=60.0, episode_s=1200.0)
    collect([tmp_path], tmp_path / "policies")
    with pytest.raises(ValueError, match=rf"{digest[:12]} was trained at another crossing \(max_green_s: 60\.0 there"):
        load_policies(tmp_path / "policies", environment())
    assert len(load_policies(tmp_path / "policies", environment(max_green_s=60.0))) == 1


@pytest.mark.parametrize("damage", ["weights", "digest", "identity"])
def test_a_damaged_copy_is_refused_by_name(tmp_path: Path, damage: str) -> None:
    make_best_model(tmp_path)
    collect([tmp_path], tmp_path / "policies")
    (about,) = (tmp_path / "policies").glob("*/policy.json")
    plain = json.loads(about.read_text(encoding="utf-8"))
    if damage == "weights":
        about.with_name("policy.zip").write_bytes(b"no zip")
    elif damage == "digest":
        plain["policy_digest"] = "0" * 64
    else:
        del plain["identity"]["algorithm"]
    about.write_text(json.dumps(plain), encoding="utf-8")
    with pytest.raises(ValueError, match="collect the policies again"):
        load_policies(tmp_path / "policies", SHORT)


def test_an_empty_folder_has_no_policies(tmp_path: Path) -> None:
    assert load_policies(tmp_path, SHORT) == ()
