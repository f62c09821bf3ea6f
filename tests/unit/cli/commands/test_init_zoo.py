"""`init --zoo FILE ENV` and the check of environments: what is written, named and refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from orchestrator.cli.main import main
from orchestrator.sb3.envs.probe import examine
from orchestrator.stores.scaffold import environment_check
from orchestrator.stores.scaffold.environment_check import EnvironmentCheck, check_environment, install_command
from tests.conftest import PROJECT_ROOT

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:gymnasium")  # of its version v4
FILES = PROJECT_ROOT / "tests/fixtures/rl_zoo"


ASKED = environment_check._asked


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask gymnasium in this process, which has imported it already; Box2D and pygame stay out of it."""
    monkeypatch.chdir(tmp_path)
    race = {"found": "yes", "actions": "continuous"}
    monkeypatch.setattr(
        environment_check, "_asked", lambda env, modules: race if env == "CarRacing-v3" else examine(env, modules)
    )


def init(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    main(["init", *words, "--json"])
    answer: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[-1])
    return answer


def without(monkeypatch: pytest.MonkeyPatch, *modules: str) -> None:
    """Pretend that these are not installed, whatever this computer has."""
    there = environment_check.is_installed
    # One line is clearer here.
    absent = lambda name: name.partition(".")[0] not in modules and there(name)  # noqa: E731
    for place in ("environment_check", "zoo_notes"):
        monkeypatch.setattr(f"orchestrator.stores.scaffold.{place}.is_installed", absent)


def test_a_project_is_written_beside_without_a_folder(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    made = init(capsys, "--zoo", str(FILES / "ppo.yml"), "CartPole-v1")
    assert (made["exit_code"], made["section"]) == (0, "ppo_cartpole_v1"), made
    folder = tmp_path / "ppo-CartPole-v1"
    assert Path(made["folder"]) == folder and made["next"][0] == "cd ppo-CartPole-v1"
    card = yaml.safe_load((folder / "configs/sections/ppo_cartpole_v1.yaml").read_text("utf-8"))
    assert [card["profiles"][name]["target_steps"] for name in ("quick", "full")] == [10_000, 100_000]
    text = (folder / "train.py").read_text("utf-8")
    assert "session(target=100_000, seed=0)" in text and "learning_rate=linear(0.001)" in text and "n_envs=8" in text
    (note,) = made["notes"]
    assert "schedules end at the target (learning_rate, clip_range)" in note and "begin full with --fresh" in note
    again = init(capsys, "--zoo", str(FILES / "ppo.yml"), "CartPole-v1")
    assert (again["exit_code"], again["written"]) == (0, [])


def test_a_folder_and_an_algorithm_can_be_named(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    made = init(capsys, "mine", "--zoo", str(FILES), "Pendulum-v1", "--algo", "td3", "--section", "swing")
    assert (made["section"], made["notes"]) == ("swing", [])
    assert "from stable_baselines3 import TD3" in (tmp_path / "mine/train.py").read_text("utf-8")


def test_a_project_with_schedules_begins_full_afresh(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    init(capsys, "falls", "--zoo", str(FILES / "ppo.yml"), "CartPole-v1")
    init(capsys, "explores", "--env", "CartPole-v1", "--algorithm", "DQN")
    init(capsys, "plain", "--env", "CartPole-v1")
    for name, scheduled in (("falls", True), ("explores", True), ("plain", False)):
        readme = (tmp_path / name / "README.md").read_text("utf-8")
        card = (tmp_path / name / f"configs/sections/{name}.yaml").read_text("utf-8")
        assert readme.count(f"orchestrator run {name} --fresh") == (2 if scheduled else 0)
        assert ("continue to the full target" in readme) is not scheduled
        assert ("quick and full are two trainings" in card) is scheduled


def test_dry_run_writes_nothing(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    made = init(capsys, "--zoo", str(FILES / "sac.yml"), "MountainCarContinuous-v0", "--dry-run")
    assert (made["exit_code"], made["written"]) == (0, []) and "train.py" in made["would_write"]
    assert "SAC(" in made["script_text"] and list(tmp_path.iterdir()) == []
    assert main(["init", "--zoo", str(FILES / "sac.yml"), "Pendulum-v1", "--dry-run"]) == 0
    shown = capsys.readouterr().out
    assert "would write train.py" in shown and 'SAC("MlpPolicy", env, learning_rate=0.001' in shown
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("--zoo", "ppo.yml", "CartPol-v1"), ("no environment CartPol-v1", "Did you mean CartPole-v1")),
        (("--zoo", "ppo.yml", "Cartpole-v1"), ("no environment Cartpole-v1", "Did you mean CartPole-v1")),
        (("--zoo", "ppo.yml", "LunarLander-v2"), ("deprecated", "Did you mean LunarLander-v3?")),
        (("--zoo", "dqn.yml", "Pendulum-v1"), ("DQN takes discrete actions only", "another algorithm")),
        (("--zoo", "sac.yml", "CartPole-v1"), ("SAC takes continuous actions only", "another algorithm")),
        (("--zoo", "ppo_lstm.yml", "CartPole-v1"), ("ppo_lstm.yml has no entry for CartPole-v1", "It has Pend")),
        (("--zoo", "ppo.yml", "no id"), ("'no id' is no id of a gymnasium environment", "CartPole-v1")),
        (("--zoo", "ppo.yml", "CartPole-v1", "--algo", "pppo"), ("no algorithm 'pppo'", "Did you mean ppo?")),
        (("--zoo", "ppo.yml", "--env", "CartPole-v1"), ("the second is --env", "--zoo FILE ENV")),
        (("--zoo", "ppo.yml", "CartPole-v1", "--env", "A-v0"), ("--zoo cannot be combined", "FILE ENV")),
        (("--zoo", "absent.yml", "CartPole-v1"), ("absent.yml cannot be read", "permissions")),
        (("--zoo", str(FILES), "CartPole-v1"), ("is a folder", "Choose one of its files with --algo: ")),
        (("--zoo", str(FILES.parent), "CartPole-v1"), ("is a folder", "Name a file: ppo.yml")),
        ((), ("DIR is missing", "orchestrator init .")),
    ],
)
def test_wrong_words_are_refused_and_nothing_is_written(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, words: tuple[str, ...], named: tuple[str, str]
) -> None:
    given = [str(FILES / word) if word.endswith(".yml") else word for word in words]
    answer = init(capsys, *given)
    assert answer["exit_code"] == 2 and list(tmp_path.iterdir()) == []
    assert named[0] in answer["error"] and named[1] in answer["remedy"]


def test_libraries_that_are_not_installed_are_named_with_the_command(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without(monkeypatch, "pybullet_envs_gymnasium", "rl_zoo3")
    made = init(capsys, "bullet", "--zoo", str(FILES / "sac.yml"), "HalfCheetahBulletEnv-v0")
    (note,) = made["notes"]
    assert "(python -m pip install pybullet_envs_gymnasium)" in note and "could not be checked" in note
    assert "pybullet_envs_gymnasium==version" in (tmp_path / "bullet/requirements.txt").read_text("utf-8")
    made = init(capsys, "cheetah", "--zoo", str(FILES / "sac.yml"), "HalfCheetah-v4")
    pins = (tmp_path / "cheetah/requirements.txt").read_text("utf-8")
    assert made["notes"] == [] and "mujoco==" in pins and "gymnasium==" in pins


def test_wrappers_that_are_not_installed_are_named(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without(monkeypatch, "rl_zoo3", "my_wrappers")
    made = init(capsys, "race", "--zoo", str(FILES / "ppo.yml"), "CarRacing-v3")
    warning = made["notes"][0]
    assert "YAMLCompatResizeObservation needs rl_zoo3, which is not installed here" in warning
    assert "(python -m pip install rl_zoo3), and write its version into requirements.txt" in warning
    text = "A-v0: {n_timesteps: 9, policy: MlpPolicy, env_wrapper: my_wrappers.One}\n"
    (tmp_path / "ppo.yml").write_text(text.replace("A-v0", "CartPole-v1"), encoding="utf-8")
    made = init(capsys, "own", "--zoo", "ppo.yml", "CartPole-v1")
    assert "my_wrappers.One needs my_wrappers" in made["notes"][0] and "into the project's folder" in made["notes"][0]
    (tmp_path / "own/my_wrappers.py").write_text("", encoding="utf-8")
    made = init(capsys, "own", "--zoo", "ppo.yml", "CartPole-v1", "--section", "other", "--dry-run")
    assert made.get("notes") == [] or "exists already" in made["error"]


def test_a_game_that_would_skip_frames_twice_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    twice = init(capsys, "--zoo", str(FILES / "ppo.yml"), "ALE/Pong-v5", "--dry-run")["notes"]
    assert any("RL Zoo trains on PongNoFrameskip-v4" in note for note in twice)
    once = init(capsys, "--zoo", str(FILES / "ppo.yml"), "PongNoFrameskip-v4", "--dry-run")["notes"]
    assert "its entry `atari` is used" in once[0] and not any("4 times" in note for note in once)


def test_an_environment_of_the_users_own_package(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    refused = init(capsys, "--zoo", str(FILES / "sac.yml"), "NeckEnvRelative-v2")
    assert "though sac.yml has an entry" in refused["error"] and "my_package:NeckEnvRelative-v2" in refused["remedy"]
    made = init(capsys, "neck", "--zoo", str(FILES / "sac.yml"), "my_package:NeckEnvRelative-v2")
    assert made["exit_code"] == 0 and not any("no entry" in note for note in made["notes"])
    text = (tmp_path / "neck/train.py").read_text("utf-8")
    assert "import my_package  # noqa" in text and 'gymnasium.make("my_package:NeckEnvRelative-v2")' in text
    assert 'train_freq=(1, "episode")' in text


def test_without_gymnasium_an_id_is_compared_with_the_file_alone(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    without(monkeypatch, "gymnasium")
    refused = init(capsys, "--zoo", str(FILES / "ppo.yml"), "CartPol-v1")
    assert refused["exit_code"] == 2 and "Did you mean CartPole-v1?" in refused["remedy"]
    made = init(capsys, "--zoo", str(FILES / "ppo.yml"), "Quite-Another-v3")
    assert made["exit_code"] == 0 and "gymnasium is not installed here" in made["notes"][0]
    assert "its entry `default` is used" in made["notes"][1]


def test_env_is_checked_too(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    refused = init(capsys, "a", "--env", "CartPole-v7")
    assert refused["exit_code"] == 2 and "Did you mean CartPole-v1" in refused["remedy"]
    assert list(tmp_path.iterdir()) == []
    own = init(capsys, "b", "--env", "my_envs:Grid-v0")
    assert own["exit_code"] == 0 and "could not be checked: my_envs registers it" in own["notes"][0]


def test_env_without_gymnasium_is_written_with_a_note(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    without(monkeypatch, "gymnasium")
    made = init(capsys, "a", "--env", "CartPole-v7")
    assert made["exit_code"] == 0
    assert "Install it before the training (python -m pip install gymnasium)" in made["notes"][0]


def test_what_gymnasium_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = check_environment("Reacher-v2")
    assert broken.found == "broken" and "gymnasium-robotics" in broken.why
    monkeypatch.setattr(environment_check, "_asked", ASKED)  # in a process of its own
    assert check_environment("Pendulum-v1") == EnvironmentCheck(found="yes", actions="continuous")
    assert check_environment("MiniGrid-Empt-5x5-v0").near[0] == "MiniGrid-Empty-5x5-v0"


def test_no_answer_is_no_proof_of_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment_check, "_asked", ASKED)
    monkeypatch.setattr("sys.executable", "/no/such/python")
    assert check_environment("Pendulum-v1").found == "unknown"


def test_pip_commands() -> None:
    assert install_command(["mujoco", "cv2"]) == 'python -m pip install "gymnasium[mujoco]" opencv-python-headless'
    assert install_command(["rocket_lander_gym"]) == install_command([]) == ""
