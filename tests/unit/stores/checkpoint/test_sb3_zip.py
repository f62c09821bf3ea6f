"""`inspect` reads a model file as a zip with JSON, shows its contents and executes nothing."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import pytest

from orchestrator.core.errors import BadInput
from orchestrator.kernel.checkpoint.card import CheckpointCard
from orchestrator.kernel.checkpoint.normalization_file import RunningStatistics, SavedNormalization
from orchestrator.kernel.checkpoint.save import save_checkpoint
from orchestrator.kernel.wire import NORMALIZATION_SUFFIX
from orchestrator.stores.checkpoint.sb3_zip import read_model_zip
from tests.doubles.commands import orchestrate
from tests.doubles.toy_section import make_toy_project
from tests.unit.kernel.makers import NOW, SCENARIO, make_ticket


class Evil:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.path}",)


DQN = {
    "policy_class": {":type:": "<class 'abc.ABCMeta'>", "__module__": "stable_baselines3.dqn.policies"},
    "exploration_schedule": {},
    "target_update_interval": 500,
    "num_timesteps": 40,
    "_n_updates": 7,
    "policy_kwargs": {"net_arch": [64, 64]},
    "observation_space": {
        ":type:": "<class 'gymnasium.spaces.box.Box'>",
        "dtype": "float32",
        "_shape": [3],
        "low": "[0. 0. 0.]",
        "high": "[1. 2.\n 3.]",
    },
    "action_space": {
        ":type:": "<class 'gymnasium.spaces.discrete.Discrete'>",
        "n": "2",
        "start": "0",
        "dtype": "int64",
    },
}


def write_zip(path: Path, described: dict[str, Any], **members: bytes) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("data", json.dumps(described))
        archive.writestr("system_info.txt", "- OS: x\n- Python: 3.11.7\n- PyTorch: 2.13.0+cpu\n- GPU Enabled: False\n")
        for name, content in members.items():
            archive.writestr(name, content)


def test_a_model_file_is_described_without_loading_it(tmp_path: Path) -> None:
    write_zip(tmp_path / "model.zip", DQN)
    model = read_model_zip(tmp_path / "model.zip")
    assert (model.algorithm, model.network) == ("DQN", [64, 64])
    assert model.counters == {"steps": 40, "updates": 7}
    assert model.versions == {"Python": "3.11.7", "PyTorch": "2.13.0+cpu"}
    assert model.spaces == {
        "observation": "Box(shape=[3], dtype=float32, low=0., high=[1. 2. 3.])",
        "action": "Discrete(n=2, start=0)",
    }


@pytest.mark.parametrize(
    ("algorithm", "marks"),
    [
        ("PPO", ["n_epochs", "clip_range", "gae_lambda", "n_steps", "vf_coef"]),
        ("A2C", ["gae_lambda", "n_steps", "vf_coef"]),
        ("SAC", ["target_entropy", "ent_coef"]),
        ("TD3", ["policy_delay", "target_policy_noise"]),
        (None, ["gamma"]),
    ],
)
def test_the_algorithm_is_recognised_by_its_attributes(tmp_path: Path, algorithm: str | None, marks: list[str]) -> None:
    write_zip(tmp_path / "model.zip", dict.fromkeys(marks, 1))
    assert read_model_zip(tmp_path / "model.zip").algorithm == algorithm


def test_an_algorithm_of_the_contrib_package_is_recognised_by_its_module(tmp_path: Path) -> None:
    write_zip(tmp_path / "model.zip", {"policy_class": {"__module__": "sb3_contrib.qrdqn.policies"}})
    assert read_model_zip(tmp_path / "model.zip").algorithm == "QRDQN"


@pytest.mark.parametrize("content", [b"", b"text", b"PK\x05\x06" + bytes(18)])
def test_a_file_that_is_no_model_is_bad_input(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "model.zip").write_bytes(content)
    with pytest.raises(BadInput, match="cannot be read as a stable-baselines3 model"):
        read_model_zip(tmp_path / "model.zip")


def save(models: Path, steps: int, parent: CheckpointCard | None = None, **changes: Any) -> CheckpointCard:
    described = {**DQN, "num_timesteps": steps, **changes}
    return save_checkpoint(
        models,
        scenario=SCENARIO,
        steps=steps,
        writers={".zip": lambda path: write_zip(path, described), ".state.npz": lambda path: write_zip(path, {})},
        identity={"section": "section_7_6", "algorithm": "DQN", "network": [64, 64]},
        stamp=make_ticket().stamp(),
        parent=parent,
        now=NOW,
    )


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return make_toy_project(tmp_path / "project")


def test_code_in_a_model_file_is_listed_and_not_executed(project: Path, tmp_path: Path) -> None:
    made = tmp_path / "made"
    evil = pickle.dumps(Evil(made))
    serialized = base64.b64encode(evil).decode()
    write_zip(tmp_path / "evil.zip", {**DQN, "lr_schedule": {":serialized:": serialized}}, **{"policy.pth": evil})
    answer = orchestrate(project, "inspect", str(tmp_path / "evil.zip"), "--json")
    assert answer.code == 1 and not made.exists()
    name = f"{os.system.__module__}.system"
    assert answer.json["model"]["executes"] == {"data:lr_schedule": [name], "policy.pth": [name]}
    assert f"✗ unknown to this project: {name}" in answer.err and "no card" in answer.err


def test_a_name_that_imitates_a_library_name_is_reported(project: Path, tmp_path: Path) -> None:
    write_zip(tmp_path / "sly.zip", DQN, **{"policy.pth": b"\x80\x04\x8c\x05torch\x8c\x09os.system\x93."})
    answer = orchestrate(project, "inspect", str(tmp_path / "sly.zip"), "--json")
    assert answer.code == 1 and answer.json["model"]["strange"] == ["torch:os.system"]


def test_an_unreadable_pickle_stream_is_reported(project: Path, tmp_path: Path) -> None:
    write_zip(tmp_path / "odd.zip", {**DQN, "lr_schedule": {":serialized:": "%%%"}}, **{"policy.pth": b"\x93."})
    answer = orchestrate(project, "inspect", str(tmp_path / "odd.zip"), "--json")
    assert answer.code == 1 and set(answer.json["model"]["sealed"]) == {"data:lr_schedule", "policy.pth"}


def test_a_checkpoint_is_checked_against_the_cards_beside_it(project: Path, tmp_path: Path) -> None:
    first = save(tmp_path, 10)
    save(tmp_path, 20, first)
    folder = tmp_path / "checkpoints"
    whole = orchestrate(project, "inspect", str(folder / f"{first.stem}.json"), "--json")
    assert whole.code == 0, whole.err
    assert whole.json["ancestry"]["confirmed_by"] == [f"{SCENARIO}_checkpoint_20_steps"]
    assert whole.json["resume"]["grade"] in ("weights-only", "refuse")  # its card has few keys

    save(tmp_path, 10, gamma=0.5)  # a checkpoint of another training with its own card replaces it
    other = orchestrate(project, "inspect", str(folder / f"{first.stem}.zip"), "--json")
    assert other.code == 1
    assert other.json["ancestry"]["contradicted_by"] == [f"{SCENARIO}_checkpoint_20_steps"]


def test_a_contradiction_between_card_and_model_file_is_reported(project: Path, tmp_path: Path) -> None:
    card = save(tmp_path, 10, policy_kwargs={"net_arch": [8]})
    answer = orchestrate(project, "inspect", str(tmp_path / "checkpoints" / f"{card.stem}.zip"), "--json")
    assert answer.code == 1
    assert answer.json["faults"] == ["network: the card says [64, 64], the model file [8]"]
    path = tmp_path / "checkpoints" / f"{card.stem}.state.npz"
    path.write_bytes(path.read_bytes() + b" ")
    second_answer = orchestrate(project, "inspect", str(path))
    assert second_answer.code == 1 and "bytes instead of" in second_answer.out


def test_a_missing_file_is_bad_input(project: Path) -> None:
    answer = orchestrate(project, "inspect", "nowhere.zip")
    assert answer.code == 2 and "no checkpoint" in answer.err


NORMALIZED = {**DQN, "acts_through": ["VecNormalize", "SignActions"]}


def statistics_of(path: Path) -> bytes:
    return SavedNormalization(
        model_sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        norm_obs=True,
        norm_reward=True,
        clip_obs=10.0,
        clip_reward=10.0,
        gamma=0.9,
        epsilon=1e-8,
        obs_rms=RunningStatistics(mean=[0.5], var=[2.0], count=9.0),
        ret_rms=None,
    ).to_bytes()


def test_inspect_shows_how_to_load_a_zip_with_its_statistics(project: Path, tmp_path: Path) -> None:
    zip_path = tmp_path / "mine.v2.zip"  # a copy under another name and without its card
    write_zip(zip_path, NORMALIZED)
    statistics = tmp_path / "mine.v2.vecnormalize.json"
    statistics.write_bytes(statistics_of(zip_path))
    for path in (zip_path, statistics):
        answer = orchestrate(project, "inspect", str(path), "--json")
        assert answer.code == 0, answer.err
        assert answer.json["acting"] == {
            "layers": ["VecNormalize", "SignActions"],
            "normalizes": ["observations", "rewards"],
            "needs_statistics": True,
            "statistics": {"path": str(statistics), "state": "verified"},
        }
        assert "normalization: of observations and rewards" in answer.err
        assert f"{statistics} belongs to this model" in answer.err
        assert f'load_normalization("{zip_path}", env); DQN.load("{zip_path}", env=env)' in answer.err
        assert "between policy and environment: VecNormalize, SignActions" in answer.err


def test_a_zip_copied_without_its_statistics_is_reported(project: Path, tmp_path: Path) -> None:
    write_zip(tmp_path / "mine.zip", NORMALIZED)
    answer = orchestrate(project, "inspect", str(tmp_path / "mine.zip"), "--json")
    assert answer.code == 1 and answer.json["acting"]["statistics"]["state"] == "missing"
    (fault,) = answer.json["faults"]
    assert "mine.vecnormalize.json is missing" in fault and "acts wrongly without it; copy it from" in fault


@pytest.mark.parametrize("content", [b"{", b"of another zip"])
def test_statistics_of_another_zip_are_reported(project: Path, tmp_path: Path, content: bytes) -> None:
    write_zip(tmp_path / "other.zip", DQN)
    write_zip(tmp_path / "mine.zip", NORMALIZED)
    wrong = statistics_of(tmp_path / "other.zip") if content == b"of another zip" else content
    (tmp_path / "mine.vecnormalize.json").write_bytes(wrong)
    answer = orchestrate(project, "inspect", str(tmp_path / "mine.zip"), "--json")
    assert answer.code == 1 and answer.json["acting"]["statistics"]["state"] == "faulty"
    assert "mine.vecnormalize.json" in answer.json["faults"][0]


def test_a_zip_without_information_has_an_unknown_normalization(project: Path, tmp_path: Path) -> None:
    write_zip(tmp_path / "model.zip", DQN)
    answer = orchestrate(project, "inspect", str(tmp_path / "model.zip"), "--json")
    assert answer.code == 0 and answer.json["acting"]["normalizes"] is None
    assert "normalization: unknown" in answer.err


def save_with_card(models: Path, *, normalize: dict[str, bool] | None, with_file: bool) -> Path:
    """Save a checkpoint with a card; without the statistics file it is one of an earlier version."""
    zip_path = models / "checkpoints" / f"{SCENARIO}_checkpoint_10_steps.zip"
    writers = {".zip": lambda path: write_zip(path, {**DQN, "num_timesteps": 10})}
    if with_file:
        writers[NORMALIZATION_SUFFIX] = lambda path: path.write_bytes(statistics_of(zip_path)) and None
    hyper_parameters = {} if normalize is None else {"normalize": normalize}
    save_checkpoint(
        models,
        scenario=SCENARIO,
        steps=10,
        writers=writers,
        identity={"algorithm": "DQN", "network": [64, 64], "hyper_parameters": hyper_parameters},
        stamp=make_ticket().stamp(),
        parent=None,
        now=NOW,
    )
    return zip_path


def test_a_card_without_a_normalization_needs_no_statistics(project: Path, tmp_path: Path) -> None:
    zip_path = save_with_card(tmp_path, normalize=None, with_file=False)
    answer = orchestrate(project, "inspect", str(zip_path), "--json")
    assert answer.code == 0 and answer.json["acting"]["normalizes"] == answer.json["acting"]["layers"] == []
    assert "normalization: none" in answer.err


def test_missing_statistics_of_an_earlier_version_are_reported_without_a_fault(project: Path, tmp_path: Path) -> None:
    both = {"observations": True, "rewards": True}
    zip_path = save_with_card(tmp_path, normalize=both, with_file=False)
    answer = orchestrate(project, "inspect", str(zip_path), "--json")
    assert answer.code == 0 and answer.json["acting"]["layers"] == ["VecNormalize"]
    assert "is missing: a plain load acts wrongly" in answer.err and "the next session" in answer.err


def test_a_missing_file_that_the_card_names_is_a_fault(project: Path, tmp_path: Path) -> None:
    zip_path = save_with_card(tmp_path, normalize={"observations": True, "rewards": False}, with_file=True)
    assert orchestrate(project, "inspect", str(zip_path)).code == 0
    zip_path.with_name(f"{zip_path.stem}{NORMALIZATION_SUFFIX}").unlink()
    answer = orchestrate(project, "inspect", str(zip_path), "--json")
    assert answer.code == 1 and "is missing" in answer.json["faults"][0]


def test_statistics_of_rewards_alone_are_not_needed_to_act(project: Path, tmp_path: Path) -> None:
    zip_path = save_with_card(tmp_path, normalize={"observations": False, "rewards": True}, with_file=False)
    answer = orchestrate(project, "inspect", str(zip_path), "--json")
    assert answer.code == 0 and not answer.json["acting"]["needs_statistics"]
    assert "only its rewards were normalized" in answer.err
