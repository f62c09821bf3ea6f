"""`adopt`: a learned model begins a training, in a script alone and in a project; every message and card says so."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from orchestrator.core.run.request import RunRequest
from orchestrator.kernel.checkpoint.survey import survey_checkpoints
from orchestrator.pipeline.run.runner import execute
from orchestrator.stores.project import Project
from orchestrator.stores.section.card_yaml import load_card
from orchestrator.wiring import assemble
from tests.conftest import PROJECT_ROOT
from tests.doubles.commands import Answer, orchestrate
from tests.doubles.kaggle_side import KEY, USER, ShortSleepClock, far_settings, kaggle_backend, point_at_loopback
from tests.doubles.narrator import Listener
from tests.doubles.own_script import model_parts, run_script
from tests.doubles.script_section import make_script_project
from tests.doubles.toy_section import make_toy_project
from tests.emulator.loopback import loopback_kaggle
from tests.marks import first_cases

SCRIPT = """
import gymnasium
from stable_baselines3 import DQN, PPO

import orchestrator



class Own(DQN):  # all its attributes are saved and restored
    def __init__(self, *words, **named):
        self.trained = 0
        super().__init__(*words, **named)

    def train(self, *words, **named):
        self.trained += 1
        super().train(*words, **named)


OF = {"PPO": dict(n_steps=64, batch_size=32, n_epochs=1), "DQN": dict(learning_starts=40, buffer_size=500)}
OF["Own"] = OF["DQN"]
with orchestrator.session(target=480, seed=3, save_every=100) as run:
    env = gymnasium.make("CartPole-v1")
    model = run.sb3(lambda: ALGORITHM("MlpPolicy", env, seed=run.seed, policy_kwargs=KWARGS, **OF["ALGORITHM"]))
    print("begins", run.start, run.grade, getattr(model, "learning_starts", None))
    model.learn(run.remaining, callback=run.callback, reset_num_timesteps=False)
"""
CARD = """\
section: mine
script: train.py
resume_floor: FLOOR
profiles:
  quick: {target_steps: 350, checkpoint_every_steps: 100}
  full: {target_steps: 480, checkpoint_every_steps: 100}
"""


def script(algorithm: str, kwargs: str = "None") -> str:
    return SCRIPT.replace("ALGORITHM", algorithm).replace("KWARGS", kwargs)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    stable_baselines3 = pytest.importorskip("stable_baselines3")
    folder = tmp_path_factory.mktemp("models")
    ppo = stable_baselines3.PPO("MlpPolicy", "CartPole-v1", n_steps=64, batch_size=32, n_epochs=1, device="cpu")
    dqn = stable_baselines3.DQN("MlpPolicy", "CartPole-v1", learning_starts=40, buffer_size=500, device="cpu")
    for name, model in (("ppo", ppo), ("dqn", dqn)):
        model.learn(200).save(folder / f"{name}.zip")
    return folder


def adopt(root: Path, *words: object) -> Answer:
    return orchestrate(root, "adopt", *map(str, words), "--json")


@pytest.mark.prove
@pytest.mark.parametrize("algorithm", first_cases(1, ["Own", "PPO", "DQN"]))
def test_alone_the_cut_training_equals_the_straight_one_and_stays_weights_only(
    models: Path, tmp_path: Path, algorithm: str
) -> None:
    model = models / ("ppo.zip" if algorithm == "PPO" else "dqn.zip")
    for name in ("straight", "cut"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "train.py").write_text(script(algorithm), encoding="utf-8")
        answer = adopt(tmp_path / name, model, "--steps", 192, "--script", "train.py")
        assert answer.code == 0, answer.err
    adopted = answer.json["adopted"]
    sha256 = hashlib.sha256(model.read_bytes()).hexdigest()
    assert (adopted["sha256"], adopted["steps"], adopted["algorithm"]) == (sha256, 192, model.stem.upper())
    whole = run_script(tmp_path / "straight")
    delayed = None if algorithm == "PPO" else 232  # learning waits until the policy has filled the buffer
    assert f"begins 192 weights-only {delayed}" in whole.stdout, whole.stderr
    for _ in range(2):  # the first cut lies before learning starts
        assert run_script(tmp_path / "cut", variables={"ORCHESTRATOR_STOP_AT_STEPS": "210,300"}).returncode == 75
    rest = run_script(tmp_path / "cut")
    assert "exact" in rest.stdout and rest.returncode == 0, rest.stderr
    assert f"The training is weights-only since 192 steps (adopted from {adopted['origin']}" in rest.stderr
    assert model_parts(tmp_path / "straight") == model_parts(tmp_path / "cut")
    latest = survey_checkpoints(tmp_path / "cut/.orchestrator/alone/train", "train").latest
    assert latest is not None and (latest.adopted, latest.lowest_grade) == (adopted, "weights-only")
    again = adopt(tmp_path / "cut", model, "--script", "train.py")
    assert again.code == 2 and "never overwritten" in again.err


def test_alone_a_leftover_of_a_kill_is_cleared_and_a_plain_loop_is_refused(models: Path, tmp_path: Path) -> None:
    left = tmp_path / ".orchestrator/alone/train/.adopting"
    left.mkdir(parents=True)
    (left / "train_checkpoint_5_steps.zip").write_bytes(b"half")
    loop = "import orchestrator\nwith orchestrator.session(target=9) as run:\n    for _ in run.steps():\n        pass\n"
    (tmp_path / "train.py").write_text(loop, encoding="utf-8")
    fresh = run_script(tmp_path)
    assert fresh.returncode == 0, fresh.stderr
    shutil.rmtree(tmp_path / ".orchestrator/alone/train/checkpoints")
    assert adopt(tmp_path, models / "ppo.zip", "--steps", 0, "--script", "train.py").code == 0
    assert not left.exists()
    refused = run_script(tmp_path)
    assert refused.returncode == 2 and "does not call run.sb3" in refused.stderr


def project(tmp_path: Path, algorithm: str, floor: str = "exact", kwargs: str = "None") -> Path:
    card = CARD.replace("FLOOR", floor)
    return make_script_project(tmp_path, script=script(algorithm, kwargs), card=card)


def run(root: Path, *words: str) -> Answer:
    return orchestrate(root, "run", "mine", "--json", *words)


@pytest.mark.prove
def test_in_a_project_it_is_said_everywhere(models: Path, tmp_path: Path) -> None:
    root = project(tmp_path, "PPO")
    assert adopt(root, models / "ppo.zip", "--steps", 64).json["section"] == "mine"  # the only section
    first = run(root, "--quick")
    assert (first.code, first.json["steps_start"], first.json["resume_grade"]) == (0, 64, "weights-only"), first.err
    second = run(root)
    assert (second.code, second.json["resume_grade"]) == (0, "exact"), second.err
    line = "weights-only since 64 steps (adopted from"
    assert first.json["adopted"] == second.json["adopted"] and f"Lineage: {line}" in second.err
    shown = {
        "status": orchestrate(root, "status"),
        "checkpoints": orchestrate(root, "checkpoints", "list", "mine"),
        "report": orchestrate(root, "report", "mine"),
        "inspect": orchestrate(
            root, "inspect", "validation_ch7/mine/data/models/checkpoints/mine_checkpoint_512_steps.zip"
        ),
    }
    assert [name for name, answer in shown.items() if line not in answer.out] == []
    row: dict[str, Any] = orchestrate(root, "status", "--json").json["models"][0]
    assert (row["adopted"], row["lowest_grade"], row["resume"]["grade"]) == (
        first.json["adopted"],
        "weights-only",
        "exact",
    )
    listed = orchestrate(root, "checkpoints", "list", "mine", "--json").json["checkpoints"]
    assert {json.dumps(one["adopted"]) for one in listed} == {json.dumps(first.json["adopted"])}
    assert line in next(iter(orchestrate(root, "report", "mine", "--json").json["adopted"].values()))


def test_an_existing_training_is_kept_until_it_is_put_aside(models: Path, tmp_path: Path) -> None:
    root = project(tmp_path, "PPO")
    assert run(root, "--quick").code == 0
    refused = adopt(root, models / "ppo.zip", "mine", "--steps", 64)
    assert refused.code == 2 and "checkpoints archive mine" in refused.err
    assert orchestrate(root, "checkpoints", "archive", "mine").code == 0
    assert adopt(root, models / "ppo.zip", "mine", "--steps", 64).code == 0
    trained = run(root, "--quick")
    assert (trained.code, trained.json["steps_start"], trained.json["resume_grade"]) == (0, 64, "weights-only")
    report = orchestrate(root, "report", "mine").out
    assert "1 session(s); weights-only since 64 steps" in report, report


def test_a_model_that_does_not_fit_is_refused_before_training(models: Path, tmp_path: Path) -> None:
    root = project(tmp_path, "PPO", floor="statistical", kwargs="dict(net_arch=[8])")
    assert adopt(root, models / "ppo.zip", "mine").code == 0
    refused = run(root, "--quick")
    assert refused.json["end_reason"] == "refused"
    assert "the tensor mlp_extractor.policy_net.0.weight has the shape 64x4, the network's 8x4" in refused.err
    other = project(tmp_path / "other", "PPO")
    assert adopt(other, models / "dqn.zip", "mine").code == 0
    assert "is of DQN, but this training builds PPO" in run(other, "--quick").err


def test_a_section_with_an_algorithm_refuses_another_one_at_once(models: Path, tmp_path: Path) -> None:
    root = make_toy_project(tmp_path)
    refused = adopt(root, models / "ppo.zip", "section_7_6")
    assert refused.code == 2 and "is a model of PPO, but section_7_6 trains DQN" in refused.err
    assert "Add --algorithm PPO" in refused.err
    assert adopt(root, models / "ppo.zip", "section_7_6", "--algorithm", "PPO").code == 0
    assert adopt(root, models / "dqn.zip", "section_7_6", "--steps", "50").code == 0
    shown = orchestrate(root, "status").out
    assert "50 steps in place" in shown and "weights-only since 50 steps" in shown


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("absent.zip", "mine"), "there is no file absent.zip"),
        (("MODEL", "mine", "--steps", "-1"), "--steps must be between 0 and"),
        (("MODEL", "mine", "--script", "train.py"), "--script trains without a section"),
        (("MODEL", "--script", "absent.py"), "there is no script absent.py"),
        (("MODEL", "mien"), "mien"),
    ],
)
def test_wrong_words_are_refused_and_change_nothing(
    models: Path, tmp_path: Path, words: tuple[str, ...], message: str
) -> None:
    root = project(tmp_path, "PPO")
    answer = adopt(root, *(models / "ppo.zip" if word == "MODEL" else word for word in words))
    assert answer.code == 2 and message in answer.err
    assert not list(root.rglob("*_checkpoint_*"))


def test_on_kaggle_it_travels_like_every_checkpoint(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = CARD.replace("FLOOR", "statistical") + "backend: kaggle\nkaggle: {device: cpu}\n"
    root = make_script_project(tmp_path / "project", script=script("PPO"), card=card)
    assert adopt(root, models / "ppo.zip", "mine", "--steps", 64).code == 0
    listener, clock, found = Listener(), ShortSleepClock(), Project(code=root, state=root)
    point_at_loopback(monkeypatch)
    with loopback_kaggle(tmp_path / "kaggle", settings=far_settings()) as kaggle:
        kaggle.accounts.add(USER, key=KEY)
        section = load_card(found.cards, "mine")
        with assemble(found, section, kaggle_backend(None, clock), listener, clock=clock) as context:
            summary = execute(context, RunRequest(card=section, profile="quick"))
    assert (summary.end_reason, summary.steps_start, summary.resume_grade) == ("finished", 64, "weights-only")
    assert summary.adopted is not None and summary.adopted["steps"] == 64


RL_ZOO = """
import gymnasium
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

env = VecNormalize(DummyVecEnv([lambda: gymnasium.make("CartPole-v1")]))
model = PPO("MlpPolicy", env, n_steps=32, batch_size=32, n_epochs=1, device="cpu").learn(64)
model.save("logs/ppo/CartPole-v1_1/CartPole-v1.zip")
env.save("logs/ppo/CartPole-v1_1/CartPole-v1/vecnormalize.pkl")
"""


@pytest.mark.prove
def test_the_documented_conversion_keeps_the_statistics_of_rl_zoo(tmp_path: Path) -> None:
    pages = (PROJECT_ROOT / "docs/RESUME.md").read_text(encoding="utf-8").split("```")
    (snippet,) = (one.removeprefix("python\n") for one in pages if "converted.zip" in one and one.startswith("python"))
    (tmp_path / "logs/ppo/CartPole-v1_1/CartPole-v1").mkdir(parents=True)
    for name, text in (("zoo.py", RL_ZOO), ("convert.py", snippet), ("train.py", "")):
        (tmp_path / name).write_text(text, encoding="utf-8")
    for name in ("zoo.py", "convert.py"):
        done = run_script(tmp_path, name=name)
        assert done.returncode == 0, done.stderr
    lost = adopt(tmp_path, "logs/ppo/CartPole-v1_1", "--script", "train.py")
    assert lost.code == 0 and "vecnormalize.pkl is a pickled file and is not loaded" in lost.err
    assert lost.json["adopted"]["origin"] == "ppo/CartPole-v1_1/CartPole-v1.zip"
    shutil.rmtree(tmp_path / ".orchestrator")
    kept = adopt(tmp_path, "converted.zip", "--script", "train.py")
    assert kept.code == 0 and "the statistics in converted.vecnormalize.json go on" in kept.err
    assert list((tmp_path / ".orchestrator/alone/train/checkpoints").glob("*.vecnormalize.json"))
