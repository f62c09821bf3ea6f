"""A save with a NaN or an infinity anywhere is refused: the part is named and earlier checkpoints are kept.

A non-finite checkpoint that older code saved is refused before it is loaded into a model.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import signal
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from readings import latest_card, models_dir
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv
from tiny_world import HYPER_PARAMETERS, TestBench, TinyVecEnv, bench, spec_of, tiny_world

from orchestrator.kernel.checkpoint.card import read_card
from orchestrator.kernel.checkpoint.survey import survey_checkpoints
from orchestrator.kernel.files.digests import file_entry
from orchestrator.kernel.outcome import SessionRefused
from orchestrator.kernel.session.reporting import Reporter
from orchestrator.kernel.wire import parse_report
from orchestrator.sb3.checkpoint.resume import begin_training
from orchestrator.sb3.checkpoint.save import save_training
from orchestrator.sb3.loop import TrainingResult, train
from orchestrator.sb3.state.npz_tree import read_state, write_state
from orchestrator.sb3.state.policy_digest import policy_digest, tensors_digest
from orchestrator.sb3.state.training_state_io import environment_of
from orchestrator.sb3.training import best_policy as best_policy_room
from orchestrator.sb3.training.best_model import evaluate_policy
from orchestrator.sb3.training.training_state import Evaluation, Task, TrainingState

SCENARIO = "traffic_light_control"
NAN = float("nan")


def run_training(test_bench: TestBench, task: Task | None = None) -> TrainingResult:
    try:
        return train(test_bench.context, test_bench.plan, task or tiny_world())
    finally:
        test_bench.context.reporter.close()


class Poisoned(TinyVecEnv):
    """Gives one non-finite number once, in the step that ends at `at` steps.

    Args:
        what: `reward` or `observation`.
    """

    def __init__(self, *, at: int, what: str, value: float = NAN, then: Callable[[], None] = lambda: None) -> None:
        super().__init__(4, 7)
        self._poison_at, self._what, self._value, self._then = at, what, value, then

    def step_wait(self) -> Any:
        observation, reward, done, infos = super().step_wait()
        if self._made_steps == self._poison_at:
            {"reward": reward, "observation": observation}[self._what][2, ...] = self._value
            self._then()
        return observation, reward, done, infos


class Clock:
    """Advances by a millisecond with every reading."""

    def __init__(self) -> None:
        self._s = 0.0

    def __call__(self) -> float:
        self._s += 0.001
        return self._s

    def leap(self, seconds: float) -> None:
        self._s += seconds


def _poisoned_world(**words: Any) -> Task:
    return replace(tiny_world(), build_env=lambda lineage: Poisoned(**words))


def _steps_saved(working: Path) -> list[int]:
    return [card.steps for card in survey_checkpoints(models_dir(working), SCENARIO).verified]


def _all_files(working: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((models_dir(working) / "checkpoints").iterdir())}


@pytest.mark.parametrize("value", [NAN, float("inf"), float("-inf")])
@pytest.mark.parametrize(
    ("what", "part"), [("reward", "replay_buffer.rewards"), ("observation", "replay_buffer.observations")]
)
def test_the_first_save_after_a_non_finite_number_is_refused_with_its_origin(
    tmp_path: Path, what: str, part: str, value: float
) -> None:
    spec = spec_of("DQN", target_steps=2400, checkpoint_every_steps=400, evaluate_every_steps=5000)
    test_bench = bench(tmp_path, spec)
    with pytest.raises(ArithmeticError, match=f"{part} is not finite") as refusal:
        run_training(test_bench, _poisoned_world(at=604, what=what, value=value))
    text = str(refusal.value)
    assert f"of environment 2, filled at step {604 if what == 'reward' else 608}: {value}" in text
    assert "after 800 steps the training cannot be saved" in text  # at the first save that was due
    assert "it resumes from the checkpoint of 400 steps" in text and len(text.splitlines()) == 2
    assert _steps_saved(tmp_path) == [400]
    assert not [name for name in _all_files(tmp_path) if "_400_steps." not in name], "nor is a part of it left"


@pytest.mark.parametrize("cause", ["target", "deadline", "signal"])
def test_the_save_at_the_end_of_a_session_is_refused_too(tmp_path: Path, cause: str) -> None:
    spec = spec_of("DQN", target_steps=608 if cause == "target" else 5000, checkpoint_every_steps=400)
    spec = {**spec, "evaluate_every_steps": 5000, "deadline_s": 10_000.0}
    clock = Clock()
    test_bench = bench(tmp_path, spec, monotonic=clock)
    act: dict[str, Callable[[], None]] = {
        "target": lambda: None,
        "deadline": lambda: clock.leap(9_999.0),
        "signal": lambda: os.kill(os.getpid(), signal.SIGTERM),
    }
    previous = signal.getsignal(signal.SIGTERM)
    try:
        test_bench.stop.listen()
        with pytest.raises(ArithmeticError, match=r"replay_buffer.rewards is not finite"):
            run_training(test_bench, _poisoned_world(at=604, what="reward", then=act[cause]))
    finally:
        signal.signal(signal.SIGTERM, previous)
    assert _steps_saved(tmp_path) == [400]
    assert not (models_dir(tmp_path) / f"{SCENARIO}_final.zip").exists()


def _training_at_256_steps(working: Path, algorithm: str, task: Task | None = None) -> TrainingState:
    """A training at 256 steps, with a checkpoint of 128 steps, ready to be saved."""
    test_bench = bench(working, spec_of(algorithm, target_steps=256, checkpoint_every_steps=128))
    test_bench.context.reporter.close()  # its output is not needed
    training = begin_training(replace(test_bench.context, reporter=_Silent()), test_bench.plan, task or tiny_world())
    training.model.learn(128, reset_num_timesteps=False)
    save_training(training)
    training.model.learn(128, reset_num_timesteps=False)
    return training


class _Silent(Reporter):
    def __init__(self) -> None:
        """Open no file and write no log."""

    def say(self, text: str) -> None:
        return

    def event(self, kind: str, **fields: Any) -> None:
        return


def _tensor(named: Any, *keys: Any) -> Callable[[], None]:
    def plant() -> None:
        tensor = named
        for key in keys:
            tensor = tensor[key]
        with torch.no_grad():
            tensor.reshape(-1)[-1] = NAN

    return plant


def _poisons(training: TrainingState) -> Iterator[tuple[str, Callable[[], None]]]:
    """Each part of a training that can contain a NaN: its name, and a function that puts one there."""
    model: Any = training.model
    env: Any = environment_of(model)
    layer = model.get_vec_normalize_env()
    innermost = env.unwrapped if hasattr(env, "unwrapped") else env

    def put(array: Any) -> Callable[[], None]:
        return lambda: array.__setitem__((0,) * array.ndim, NAN)

    yield "last.last_obs", put(model._last_obs)
    yield "environment.place", put(innermost._place)
    yield "policy.", lambda: model.policy.parameters().__next__().data.reshape(-1).__setitem__(0, NAN)
    optimizer = getattr(model.policy, "optimizer", None) or model.policy.actor.optimizer
    moment = next(name for name, value in optimizer.state_dict()["state"][0].items() if value.ndim)
    yield "optimizer.state.0", _tensor(optimizer.state_dict()["state"], 0, moment)
    yield "param_groups.0.lr", lambda: optimizer.param_groups[0].update(lr=NAN)
    yield (
        "episode_statistics.episodes.0.r",
        lambda: model.ep_info_buffer.__setitem__(0, {**model.ep_info_buffer[0], "r": NAN}),
    )
    if getattr(model, "replay_buffer", None) is not None:
        for name in ("observations", "rewards", "dones", "timeouts"):
            yield f"replay_buffer.{name}", put(getattr(model.replay_buffer, name))
        yield (
            "replay_buffer.next_observations",
            lambda: model.replay_buffer.next_observations.__setitem__((3, 1, 0), NAN),
        )
        if model.replay_buffer.actions.dtype.kind == "f":
            yield "replay_buffer.actions", put(model.replay_buffer.actions)
    if layer is not None:
        yield "layers.0.state.observations.mean", put(layer.obs_rms.mean)
        yield "layers.0.state.observations.variance", put(layer.obs_rms.var)
        yield "layers.0.state.rewards.mean", lambda: setattr(layer.ret_rms, "mean", np.float64(NAN))
        yield "layers.0.state.rewards.count", lambda: setattr(layer.ret_rms, "count", float("inf"))
        yield "layers.0.state.returns", put(layer.returns)
    if hasattr(model, "log_ent_coef"):
        yield "pytorch_variables.log_ent_coef", _tensor({0: model.log_ent_coef}, 0)
    if getattr(model, "action_noise", None) is not None:
        yield "action_noise.0", put(model.action_noise.noises[0].noise_prev)
    if hasattr(model, "exploration_rate"):
        yield "schedules.exploration_rate", lambda: setattr(model, "exploration_rate", NAN)


@pytest.mark.parametrize("algorithm", sorted(HYPER_PARAMETERS))
def test_a_nan_in_any_part_of_any_algorithm_is_found(tmp_path: Path, algorithm: str) -> None:
    names = [name for name, _ in _poisons(_training_at_256_steps(tmp_path / "names", algorithm))]
    assert len(names) == len(set(names)) and len(names) >= 6
    for place, name in enumerate(names):
        training = _training_at_256_steps(tmp_path / str(place), algorithm)
        found, plant = list(_poisons(training))[place]
        plant()
        before = _all_files(tmp_path / str(place))
        with pytest.raises(ArithmeticError, match="is not finite") as refusal:
            save_training(training)
        assert found == name and name in str(refusal.value)
        assert _all_files(tmp_path / str(place)) == before


def test_a_non_finite_measure_in_the_learning_curve_is_refused(tmp_path: Path) -> None:
    training = _training_at_256_steps(tmp_path, "DQN")
    evaluate_policy(training)
    training.record.curve[-1] = replace(training.record.curve[-1], measures={"return_mean": float("inf")})
    with pytest.raises(ArithmeticError, match=r"selection.curve.0.measures.return_mean is not finite"):
        save_training(training)


def test_a_policy_with_nan_is_not_evaluated_and_not_kept_as_best(tmp_path: Path) -> None:
    """The argmax over NaNs is the first action: such a policy acts and can get a score."""
    training = _training_at_256_steps(tmp_path, "DQN")
    training.task = replace(training.task, evaluate=lambda model, lineage: Evaluation(score=1e9, measures={}))
    with torch.no_grad():
        for parameter in training.model.policy.parameters():
            parameter.fill_(NAN)
    with pytest.raises(ArithmeticError, match=r"policy.q_net.*is not finite"):
        evaluate_policy(training)
    assert training.record.best is None and training.record.curve == []
    assert not (models_dir(tmp_path) / "best_model").exists()


def test_a_best_model_with_nan_from_older_code_is_not_evaluated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = _training_at_256_steps(tmp_path, "DQN")
    evaluate_policy(training)
    original = best_policy_room.read_parameters

    def broken(*words: Any, **named: Any) -> Any:
        parameters = original(*words, **named)
        for tensor in parameters["policy"].values():
            tensor.fill_(NAN)
        return parameters

    monkeypatch.setattr(best_policy_room, "read_parameters", broken)
    best = training.record.best
    assert best is not None
    monkeypatch.setattr(best_policy_room, "policy_digest", lambda policy: best.policy_digest)
    with pytest.raises(ArithmeticError, match="the best model, of 256 steps, cannot be evaluated"):
        best_policy_room.best_policy(training)


def test_a_nan_return_is_left_out_of_the_progress_report(tmp_path: Path) -> None:
    """The report must not fail on a NaN before the save can name the part."""
    spec = spec_of("DQN", target_steps=2400, checkpoint_every_steps=800, evaluate_every_steps=5000)
    readings = iter(range(10**9))
    test_bench = bench(tmp_path, spec, monotonic=lambda: next(readings) * 1.5)  # fast enough that each boundary reports
    task = replace(tiny_world(), build_env=lambda lineage: _EndlessReturn(4, 7))
    with pytest.raises(ArithmeticError, match=r"replay_buffer.rewards is not finite"):
        run_training(test_bench, task)
    reports = [report for report in map(parse_report, test_bench.output) if report and report["kind"] == "progress"]
    assert reports and reports[-1]["reward_mean"] is None and reports[-1]["steps"] > 52


class _EndlessReturn(TinyVecEnv):
    def step_wait(self) -> Any:
        observation, reward, done, infos = super().step_wait()
        for info in infos:
            if "episode" in info:
                info["episode"]["r"] = NAN
        return observation, reward * NAN, done, infos


class _Arrivals(gymnasium.Env[Any, Any]):
    """No further arrivals: the time until the next one is infinite, which is a valid state."""

    observation_space = gymnasium.spaces.Box(-1.0, 1.0, (3,), np.float32)
    action_space = gymnasium.spaces.Discrete(2)

    def __init__(self) -> None:
        self.until_next_s = np.full(2, np.inf)
        self.clock_steps = 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.clock_steps = 0
        return np.zeros(3, np.float32), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.clock_steps += 1
        info = {"first_jam_s": NAN}  # no jam occurred
        return np.zeros(3, np.float32), 1.0, False, self.clock_steps >= 9, info

    def get_state(self) -> dict[str, Any]:
        return {"until_next_s": self.until_next_s.copy(), "clock_steps": self.clock_steps}

    def set_state(self, state: dict[str, Any]) -> None:
        self.until_next_s, self.clock_steps = state["until_next_s"].copy(), state["clock_steps"]


class _DeclaredArrivals(_Arrivals):
    NON_FINITE_STATE = ("until_next_s",)


def _arrivals(kind: type[_Arrivals]) -> Task:
    def monitored() -> gymnasium.Env[Any, Any]:
        return Monitor(kind(), info_keywords=("first_jam_s",))

    return Task(
        build_env=lambda lineage: DummyVecEnv([monitored] * 4),
        evaluate=lambda model, lineage: Evaluation(score=0.0, measures={}),
    )


def test_an_environment_may_declare_state_that_can_be_infinite(tmp_path: Path) -> None:
    spec = spec_of("DQN", target_steps=240, checkpoint_every_steps=120)
    with pytest.raises(ArithmeticError, match=r"environment.0.1.until_next_s is not finite") as refusal:
        run_training(bench(tmp_path / "undeclared", spec), _arrivals(_Arrivals))
    assert 'declare NON_FINITE_STATE = ("until_next_s",) in its class' in str(refusal.value)
    run_training(bench(tmp_path, spec), _arrivals(_DeclaredArrivals))
    resumed = run_training(bench(tmp_path, {**spec, "target_steps": 480}, session=2), _arrivals(_DeclaredArrivals))
    assert (resumed.training.steps_start, resumed.training.steps) == (240, 480)
    assert resumed.training.grade is not None and resumed.training.grade.grade == "exact"


def plant_in_state(working: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    """Change the newest state file and write a card that matches it, as older code would have saved them."""
    card = latest_card(working)
    path = models_dir(working) / "checkpoints" / f"{card.stem}.state.npz"
    state = read_state(path)
    change(state)
    write_state(path, state)
    _write_matching_card(working)


def plant_in_zip(working: Path, member: str, change: Callable[[Any], None]) -> None:
    card = latest_card(working)
    path = models_dir(working) / "checkpoints" / f"{card.stem}.zip"
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    content = torch.load(io.BytesIO(members[member]), weights_only=True)
    change(content)
    stream = io.BytesIO()
    torch.save(content, stream)
    members[member] = stream.getvalue()
    with zipfile.ZipFile(path, "w") as archive:
        for name, body in members.items():
            archive.writestr(name, body)
    digests = {"policy_digest": tensors_digest(content)} if member == "policy.pth" else {}
    _write_matching_card(working, **digests)


def _write_matching_card(working: Path, **identity: Any) -> None:
    folder = models_dir(working) / "checkpoints"
    newest = max(folder.glob("*_steps.json"), key=lambda path: int(path.stem.split("_")[-2]))
    card = read_card(newest)
    files = tuple(file_entry(folder / entry.path, folder) for entry in card.files)
    forged = replace(card, files=files, identity={**card.identity, **identity})
    newest.write_text(json.dumps(forged.to_json()), encoding="utf-8")
    assert latest_card(working).stem == card.stem  # every sha256 matches


def _nan_in(*keys: Any) -> Callable[[Any], None]:
    def change(tree: Any) -> None:
        for key in keys:
            tree = tree[key]
        with torch.no_grad():
            tree.reshape(-1)[-1] = NAN

    return change


OLD: dict[str, tuple[str, Callable[[Path], None]]] = {
    "replay": ("DQN", lambda w: plant_in_state(w, _nan_in("training", "replay_buffer", "rewards"))),
    "replay observations": ("TD3", lambda w: plant_in_state(w, _nan_in("training", "replay_buffer", "observations"))),
    "environment": ("PPO", lambda w: plant_in_state(w, _nan_in("training", "environment", "place"))),
    "normalization": (
        "A2C",
        lambda w: plant_in_state(w, _nan_in("training", "layers", 0, "state", "observations", "mean")),
    ),
    "best normalization": ("SAC", lambda w: plant_in_state(w, _nan_in("selection", "best", "normalization", "mean"))),
    "weights": ("DQN", lambda w: plant_in_zip(w, "policy.pth", _nan_in("q_net.q_net.0.weight"))),
    "optimizer": ("DQN", lambda w: plant_in_zip(w, "policy.optimizer.pth", _nan_in("state", 0, "exp_avg"))),
    "entropy": ("SAC", lambda w: plant_in_zip(w, "pytorch_variables.pth", _nan_in("log_ent_coef"))),
}
PARTS = {
    "replay": "replay_buffer.rewards is not finite",
    "replay observations": "replay_buffer.observations is not finite",
    "environment": "environment.place is not finite",
    "normalization": "layers.0.state.observations.mean is not finite",
    "best normalization": "selection.best.normalization.mean is not finite",
    "weights": "policy.q_net.q_net.0.weight is not finite",
    "optimizer": "policy.optimizer.state.0.exp_avg is not finite",
    "entropy": "pytorch_variables.log_ent_coef is not finite",
}


@pytest.mark.parametrize("what", sorted(OLD))
def test_a_non_finite_checkpoint_of_older_code_is_refused_with_the_part(tmp_path: Path, what: str) -> None:
    algorithm, plant = OLD[what]
    run_training(bench(tmp_path, spec_of(algorithm, target_steps=320, checkpoint_every_steps=160)))
    plant(tmp_path)
    before = _all_files(tmp_path)
    with pytest.raises(SessionRefused, match=PARTS[what]) as refusal:
        run_training(bench(tmp_path, spec_of(algorithm, target_steps=640), session=2))
    assert refusal.value.ending.value == "checkpoint_unusable"
    assert _all_files(tmp_path) == before


@pytest.mark.parametrize("what", ["replay", "optimizer"])
def test_a_weights_only_resume_needs_only_finite_weights(tmp_path: Path, what: str) -> None:
    algorithm, plant = OLD[what]
    run_training(bench(tmp_path, spec_of(algorithm, target_steps=320, checkpoint_every_steps=160)))
    plant(tmp_path)
    assert run_training(bench(tmp_path, _other(algorithm), session=2)).training.steps == 640


@pytest.mark.parametrize("what", ["weights", "normalization"])
def test_a_weights_only_resume_refuses_weights_with_nan(tmp_path: Path, what: str) -> None:
    algorithm, plant = OLD[what]
    run_training(bench(tmp_path, spec_of(algorithm, target_steps=320, checkpoint_every_steps=160)))
    plant(tmp_path)
    with pytest.raises(SessionRefused, match=PARTS[what]) as refusal:
        run_training(bench(tmp_path, _other(algorithm), session=2))
    assert refusal.value.ending.value == "checkpoint_unusable"


def _other(algorithm: str) -> dict[str, Any]:
    spec = spec_of(algorithm, target_steps=640, resume_floor="weights-only")
    spec["lineage"]["hyper_parameters"] = {**HYPER_PARAMETERS[algorithm], "gamma": 0.9}
    return spec


def test_the_check_for_finite_numbers_does_not_change_the_training(tmp_path: Path) -> None:
    """The check only reads: it draws no random number and does not change the model."""
    training = _training_at_256_steps(tmp_path, "SAC")
    before = policy_digest(training.model.policy), torch.get_rng_state().numpy().tobytes()
    save_training(training)
    assert before == (policy_digest(training.model.policy), torch.get_rng_state().numpy().tobytes())
    content = (models_dir(tmp_path) / "checkpoints" / f"{latest_card(tmp_path).stem}.zip").read_bytes()
    assert hashlib.sha256(content).hexdigest() == latest_card(tmp_path).sha256_of(".zip")
