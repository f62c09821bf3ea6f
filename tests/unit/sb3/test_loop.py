import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from readings import fingerprints, latest_card, models_dir
from stable_baselines3 import DQN
from stable_baselines3.common.vec_env import VecFrameStack
from tiny_world import TestBench, TinyVecEnv, bench, tiny_spec, tiny_world

from orchestrator.core.page.conversion.reading import reports_in
from orchestrator.core.reporting.learning_curve import SessionCurve
from orchestrator.kernel.checkpoint import save as saving
from orchestrator.kernel.checkpoint.card import card_fault, read_card
from orchestrator.kernel.checkpoint.survey import survey_checkpoints
from orchestrator.kernel.files.digests import file_entry
from orchestrator.kernel.outcome import KernelEnding, SessionRefused
from orchestrator.kernel.wire import parse_report
from orchestrator.sb3.loop import TrainingResult, train
from orchestrator.sb3.state.npz_tree import read_state
from orchestrator.sb3.state.policy_digest import policy_digest
from orchestrator.sb3.training.best_policy import best_policy
from orchestrator.sb3.training.training_state import Evaluation, Task, is_due

SCENARIO = "traffic_light_control"

HIDDEN = "OpaqueStack.draws: an object of builtins:range_iterator, which hides its state"


def run_training(test_bench: TestBench, task: Task | None = None) -> TrainingResult:
    try:
        return train(test_bench.context, test_bench.plan, task or tiny_world())
    finally:
        test_bench.context.reporter.close()


def run_until(working: Path, steps: int, **changes: Any) -> TrainingResult:
    test_bench = bench(working, tiny_spec(target_steps=1200, **changes))
    return run_training(test_bench, tiny_world(at_steps=steps, act=lambda: test_bench.stop.request()))


def metadata(working: Path) -> dict[str, Any]:
    plain: dict[str, Any] = json.loads((models_dir(working) / "training_metadata.json").read_text("utf-8"))
    return plain


def test_a_session_to_the_target_writes_all_documented_files(tmp_path: Path) -> None:
    test_bench = bench(tmp_path, tiny_spec(target_steps=1200))
    result = run_training(test_bench)

    assert result.ending is KernelEnding.FINISHED and result.training.steps == 1200
    assert test_bench.output[0] == "[CHECKPOINT] Starting fresh training"
    folder = models_dir(tmp_path)
    assert [card.steps for card in survey_checkpoints(folder, SCENARIO).verified] == [1200, 1000]
    best = read_card(folder / "best_model" / "best_model.json")
    assert card_fault(best, folder / "best_model") is None
    final, newest = folder / f"{SCENARIO}_final.zip", latest_card(tmp_path)
    assert final.read_bytes() == (folder / "checkpoints" / f"{newest.stem}.zip").read_bytes()
    reported = metadata(tmp_path)
    assert (
        reported["latest_checkpoint"] == f"{newest.stem}.zip" and reported["latest_checkpoint_digest"] == newest.digest
    )
    assert (reported["total_timesteps"], reported["total_timesteps_completed"]) == (1200, 1200)
    assert reported["policy_architecture"] == [16, 16] and reported["observation_space_shape"] == [3]
    assert reported["stamp"]["nonce"] == "nonce-1" and reported["sessions_seams"] == []
    assert reported["best_model"]["steps"] == best.steps
    assert result.facts["gradient_updates"] == (1200 - 100) // 4
    assert result.facts["policy_digest_before"] != result.facts["policy_digest_after"]


def test_the_best_model_and_the_curve_are_kept_over_sessions(tmp_path: Path) -> None:
    first = run_until(tmp_path, 1000).training.record
    test_bench = bench(tmp_path, tiny_spec(target_steps=1200), session=2)
    # In the second session every policy is worse than the best of the first.
    worse = replace(tiny_world(), evaluate=lambda model, lineage: Evaluation(score=-1e6, measures={}))
    result = run_training(test_bench, worse)

    assert test_bench.output[0] == f"[CHECKPOINT] Loading checkpoint {SCENARIO}_checkpoint_1000_steps.zip (1000 steps)"
    record = result.training.record
    assert record.curve[:2] == first.curve and [point.steps for point in record.curve] == [400, 800, 1200]
    assert record.best == first.best and first.best is not None
    assert (models_dir(tmp_path) / "best_model/best_model.zip").read_bytes() == first.best.model_zip
    assert record.seams == [1000] == metadata(tmp_path)["sessions_seams"]
    assert result.facts["gradient_updates_this_session"] == 50
    assert result.facts["policy_digest_before"] == first.policy_digest_at_start


@pytest.mark.parametrize("damage", ["lost", "another", "damaged card"])
def test_the_best_model_is_restored_from_the_checkpoint(damage: str, tmp_path: Path) -> None:
    first = run_until(tmp_path, 800 + 4).training.record
    assert first.best is not None
    folder = models_dir(tmp_path) / "best_model"
    if damage == "lost":
        (folder / "best_model.zip").unlink()
    elif damage == "another":
        (folder / "best_model.zip").write_bytes(b"from steps that were never saved")
    else:
        (folder / "best_model.json").write_text("{")
    test_bench = bench(tmp_path, tiny_spec(target_steps=808), session=2)
    run_training(test_bench)
    assert (folder / "best_model.zip").read_bytes() == first.best.model_zip
    assert card_fault(read_card(folder / "best_model.json"), folder) is None
    assert any("Best model put back" in line for line in test_bench.output)


def test_a_deadline_pauses_and_the_next_session_continues(tmp_path: Path) -> None:
    # The clock advances a millisecond with every reading, so half a second is some hundred boundaries.
    paused = run_training(bench(tmp_path, tiny_spec(target_steps=1200, deadline_s=0.5)))
    assert paused.ending is KernelEnding.PAUSED and 0 < paused.training.steps < 1200
    assert latest_card(tmp_path).steps == paused.training.steps
    assert not (models_dir(tmp_path) / f"{SCENARIO}_final.zip").exists()
    finished = run_training(bench(tmp_path, tiny_spec(target_steps=1200), session=2))
    assert finished.training.steps_start == paused.training.steps and finished.training.steps == 1200

    run_training(bench(tmp_path / "straight", tiny_spec(target_steps=1200)))
    assert fingerprints(tmp_path) == fingerprints(tmp_path / "straight")


def test_a_session_without_time_changes_no_checkpoint(tmp_path: Path) -> None:
    untrained = run_training(bench(tmp_path, tiny_spec(deadline_s=0.0)))
    assert untrained.ending is KernelEnding.PAUSED and untrained.training.steps == 0
    assert survey_checkpoints(models_dir(tmp_path), SCENARIO).latest is None
    assert metadata(tmp_path)["latest_checkpoint"] is None

    run_until(tmp_path, 500)
    before = fingerprints(tmp_path)
    resumed = run_training(bench(tmp_path, tiny_spec(deadline_s=0.0), session=2))
    assert resumed.training.steps == resumed.training.steps_start == 500
    assert fingerprints(tmp_path) == before


def test_a_real_signal_stops_at_the_next_boundary(tmp_path: Path) -> None:
    test_bench = bench(tmp_path, tiny_spec())
    previous = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        test_bench.stop.listen()
        result = run_training(test_bench, tiny_world(at_steps=300, act=lambda: os.kill(os.getpid(), signal.SIGTERM)))
    finally:
        for number, action in previous.items():
            signal.signal(number, action)
    assert result.ending is KernelEnding.STOPPED and result.training.steps == 300
    assert latest_card(tmp_path).steps == 300


def test_a_kill_before_the_card_leaves_no_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Killed(BaseException):
        pass

    def killed(path: Path, value: object) -> None:
        raise Killed

    run_until(tmp_path, 500)
    monkeypatch.setattr(saving, "write_json", killed)
    with pytest.raises(Killed):
        run_training(bench(tmp_path, tiny_spec(target_steps=1200), session=2))
    monkeypatch.undo()

    survey = survey_checkpoints(models_dir(tmp_path), SCENARIO)
    assert survey.latest is not None and survey.latest.steps == 500
    assert list(survey.faults) == [f"{SCENARIO}_checkpoint_1000_steps"]
    test_bench = bench(tmp_path, tiny_spec(target_steps=1200), session=3)
    assert run_training(test_bench).training.steps == 1200
    assert test_bench.output[0].startswith(f"[CHECKPOINT] Not usable: {SCENARIO}_checkpoint_1000_steps")


def test_a_damaged_checkpoint_is_refused_instead_of_a_fresh_start(tmp_path: Path) -> None:
    run_until(tmp_path, 500)
    next((models_dir(tmp_path) / "checkpoints").glob("*.npz")).write_bytes(b"damaged")
    with pytest.raises(SessionRefused, match="no checkpoint in the models directory verifies"):
        run_training(bench(tmp_path, tiny_spec(), session=2))


def test_a_missing_input_checkpoint_is_refused_instead_of_a_fresh_start(tmp_path: Path) -> None:
    run_until(tmp_path / "elsewhere", 500)
    folder = models_dir(tmp_path / "elsewhere")
    promised = tuple(file_entry(path, folder) for path in sorted((folder / "checkpoints").iterdir()))
    with pytest.raises(SessionRefused, match="no checkpoint in the models directory verifies"):
        run_training(bench(tmp_path / "here", tiny_spec(), session=2, inputs=promised))


def test_other_code_resumes_as_statistical_and_reports_it(tmp_path: Path) -> None:
    run_until(tmp_path, 500)
    test_bench = bench(
        tmp_path, tiny_spec(target_steps=600, resume_floor="statistical"), session=2, bundle_digest="c" * 64
    )
    result = run_training(test_bench)
    assert result.training.grade is not None and result.training.grade.grade == "statistical"
    assert any(line.startswith("[CHECKPOINT] Resume is statistical: code_digest") for line in test_bench.output)


def test_a_session_at_the_target_reports_it_and_trains_nothing(tmp_path: Path) -> None:
    run_training(bench(tmp_path, tiny_spec(target_steps=600)))
    before = fingerprints(tmp_path)
    test_bench = bench(tmp_path, tiny_spec(target_steps=600), session=2)
    result = run_training(test_bench)
    assert result.ending is KernelEnding.FINISHED and result.facts["gradient_updates_this_session"] == 0
    assert "Target of 600 steps already reached (600 done)" in test_bench.output
    assert fingerprints(tmp_path) == before


def test_an_overshoot_is_under_one_rollout_and_reported(tmp_path: Path) -> None:
    result = run_training(bench(tmp_path, tiny_spec(target_steps=598)))
    assert result.training.steps == 600 and result.facts["overshoot_steps"] == 2


def test_a_training_shorter_than_the_evaluation_interval_has_a_best_model(tmp_path: Path) -> None:
    test_bench = bench(tmp_path, tiny_spec(target_steps=200))
    result = run_training(test_bench)
    assert result.training.record.best is not None and result.training.record.best.steps == 200
    events = [report for report in map(parse_report, test_bench.output) if report]
    assert reports_in(events, SessionCurve(steps_start=0, steps_seen=200)).selects_best  # so the page draws its star


def test_a_policy_with_nan_is_never_saved(tmp_path: Path) -> None:
    class Poisoned(TinyVecEnv):
        def step_wait(self) -> Any:
            observation, reward, done, infos = super().step_wait()
            return observation, reward * np.nan, done, infos

    task = replace(tiny_world(), build_env=lambda lineage: Poisoned(4, 7))
    with pytest.raises(ArithmeticError, match="is not finite"):
        run_training(bench(tmp_path, tiny_spec(evaluate_every_steps=5000)), task)
    assert survey_checkpoints(models_dir(tmp_path), SCENARIO).latest is None


@pytest.mark.parametrize(
    ("evaluation", "fault"),
    [
        (Evaluation(score=float("nan"), measures={}), "the score nan"),
        (Evaluation(score=1.0, measures={"delay": float("inf")}), "the delay inf"),
    ],
)
def test_a_non_finite_evaluation_is_an_error(evaluation: Evaluation, fault: str, tmp_path: Path) -> None:
    task = replace(tiny_world(), evaluate=lambda model, lineage: evaluation)
    with pytest.raises(ArithmeticError, match=fault):
        run_training(bench(tmp_path, tiny_spec()), task)


class OpaqueStack(VecFrameStack):
    def __init__(self, env: TinyVecEnv) -> None:
        super().__init__(env, 2)
        self.draws = iter(range(10**9))


def test_a_wrapper_without_state_is_refused_if_exact_resume_is_required(tmp_path: Path) -> None:
    task = replace(tiny_world(), build_env=lambda lineage: OpaqueStack(TinyVecEnv(4, 7)))
    with pytest.raises(SessionRefused, match=f"checkpoints cannot save: {HIDDEN}"):
        run_training(bench(tmp_path, tiny_spec(target_steps=200)), task)
    assert not models_dir(tmp_path).exists()


def test_a_wrapper_without_state_makes_the_resume_statistical_otherwise(tmp_path: Path) -> None:
    task = replace(tiny_world(), build_env=lambda lineage: OpaqueStack(TinyVecEnv(4, 7)))
    task = replace(task, evaluate=lambda model, lineage: Evaluation(score=0.0, measures={}))
    run_training(bench(tmp_path, tiny_spec(target_steps=200, resume_floor="statistical")), task)
    assert latest_card(tmp_path).identity["lost_state"] == [HIDDEN]

    test_bench = bench(tmp_path, tiny_spec(target_steps=400, resume_floor="statistical"), session=2)
    result = run_training(test_bench, task)
    assert result.training.steps == 400 and result.facts["gradient_updates_this_session"] > 0
    assert result.training.grade is not None and result.training.grade.grade == "statistical"
    assert any(f"could not keep everything: {HIDDEN}" in line for line in test_bench.output)


def test_a_checkpoint_that_is_not_an_input_of_the_session_is_refused(tmp_path: Path) -> None:
    run_until(tmp_path / "elsewhere", 500)
    folder = models_dir(tmp_path / "elsewhere")
    promised = tuple(file_entry(path, folder) for path in sorted((folder / "checkpoints").iterdir()))
    run_until(tmp_path, 600)
    with pytest.raises(SessionRefused, match="600_steps is not one of the checkpoints that this session was given"):
        run_training(bench(tmp_path, tiny_spec(), session=2, inputs=promised))


def test_an_older_checkpoint_outside_the_ancestry_is_refused(tmp_path: Path) -> None:
    run_training(bench(tmp_path, tiny_spec(target_steps=1200)))
    checkpoints = models_dir(tmp_path) / "checkpoints"
    (checkpoints / f"{SCENARIO}_checkpoint_1200_steps.zip").write_bytes(b"damaged")
    run_training(bench(tmp_path / "other", tiny_spec(target_steps=1000, evaluate_every_steps=999)))
    for path in (models_dir(tmp_path / "other") / "checkpoints").glob("*_1000_steps.*"):
        (checkpoints / path.name).write_bytes(path.read_bytes())
    with pytest.raises(SessionRefused, match=r"1000_steps is not in the ancestry of .*_1200_steps"):
        run_training(bench(tmp_path, tiny_spec(), session=2))


def test_the_model_zip_loads_without_this_project(tmp_path: Path) -> None:
    run_until(tmp_path, 500)
    card = latest_card(tmp_path)
    code = (
        "import sys, numpy\n"
        "class Wall:\n"  # the project may be installed in this interpreter: block its import
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.partition('.')[0] in ('validation_ch7', 'kernel_templates', 'orchestrator'):\n"
        "            raise ImportError(name)\n"
        "sys.meta_path.insert(0, Wall())\n"
        "from stable_baselines3 import DQN\n"
        "model = DQN.load(sys.argv[1])\n"
        "print(model.num_timesteps, model.exploration_schedule(0.75), model.predict(numpy.zeros(3))[0] in (0, 1))\n"
    )
    path = models_dir(tmp_path) / "checkpoints" / f"{card.stem}.zip"
    (tmp_path / "empty").mkdir()
    command = [sys.executable, "-I", "-W", "error", "-c", code, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path / "empty")
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["500", "0.6", "True"]


def test_evaluating_and_saving_do_not_change_the_training(tmp_path: Path) -> None:
    often = tiny_spec(target_steps=1200, checkpoint_every_steps=100, evaluate_every_steps=60)
    rarely = tiny_spec(target_steps=1200, checkpoint_every_steps=10**6, evaluate_every_steps=10**6)
    many = run_training(bench(tmp_path / "often", often)).training.record
    few = run_training(bench(tmp_path / "rarely", rarely)).training.record
    assert (len(many.curve), len(few.curve)) == (20, 1)
    one, other = fingerprints(tmp_path / "often"), fingerprints(tmp_path / "rarely")
    changed = {name for name in one if one[name] != other[name]}
    assert changed <= {"selection.curve", "selection.best", "selection.last_eval_steps"}


def test_the_best_policy_equals_the_evaluated_one(tmp_path: Path) -> None:
    result = run_until(tmp_path, 1100)
    best, policy = best_policy(result.training)
    observations = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
    model = DQN.load(models_dir(tmp_path) / "best_model" / "best_model.zip")
    assert np.array_equal(
        policy.predict(observations, deterministic=True)[0], model.predict(observations, deterministic=True)[0]
    )
    assert policy_digest(policy) == policy_digest(model.policy) == best.policy_digest
    assert policy_digest(result.training.model.policy) == result.facts["policy_digest_after"]


def test_a_best_model_with_another_policy_is_refused(tmp_path: Path) -> None:
    training = run_until(tmp_path, 1100).training
    assert training.record.best is not None
    training.record.best = replace(training.record.best, policy_digest="0" * 64)
    with pytest.raises(ValueError, match="does not hold the policy"):
        best_policy(training)
    training.record.best = None
    with pytest.raises(ValueError, match="no best model"):
        best_policy(training)


def test_a_best_model_with_other_bytes_than_its_card_is_refused(tmp_path: Path) -> None:
    training = run_until(tmp_path, 1100).training
    assert training.record.best is not None
    # The policy is the same; only the sha256 of the card differs.
    training.record.best = replace(training.record.best, model_zip=training.record.best.model_zip + b"\0")
    with pytest.raises(ValueError, match="its card states"):
        best_policy(training)


def test_progress_reports_speed_and_remaining_time(tmp_path: Path) -> None:
    test_bench = bench(tmp_path, tiny_spec(target_steps=1200))
    run_training(test_bench)
    reported = [report for report in map(parse_report, test_bench.output) if report and report["kind"] == "progress"]
    assert reported[-1]["steps"] == reported[-1]["target_steps"] == 1200 and reported[-1]["eta_s"] == 0
    assert reported[-1]["steps_per_s"] > 0 and reported[-1]["reward_mean"] < 0


def test_the_deadline_reserves_the_longest_single_train_save_and_evaluation(tmp_path: Path) -> None:
    test_bench = bench(tmp_path, tiny_spec(target_steps=1200))
    run_training(test_bench)
    totals_s, deadline = test_bench.context.deadline.totals_s, test_bench.context.deadline
    assert set(totals_s) == {"train", "save", "evaluate"} and all(spent_s > 0 for spent_s in totals_s.values())
    assert deadline.reserve_s < sum(totals_s.values())  # single durations, not their sums


def test_the_state_records_the_seams_of_all_cuts(tmp_path: Path) -> None:
    run_until(tmp_path, 500)
    run_training(bench(tmp_path, tiny_spec(target_steps=600), session=2))
    run_training(bench(tmp_path, tiny_spec(target_steps=700), session=3))
    state = read_state(models_dir(tmp_path) / "checkpoints" / f"{latest_card(tmp_path).stem}.state.npz")
    assert state["provenance"] == {"seams": [500, 600]}


@pytest.mark.parametrize(
    ("steps", "last_steps", "due"),
    [(0, 0, False), (9, 0, False), (10, 0, True), (10, 10, False), (15, 10, False), (20, 15, True), (31, 9, True)],
)
def test_saves_at_other_steps_do_not_shift_the_interval(steps: int, last_steps: int, due: bool) -> None:
    assert is_due(steps, last_steps=last_steps, every_steps=10) is due


def saves_with_clock(working: Path, seconds_per_reading: float) -> list[int]:
    """Steps at which a training saves if its clock advances `seconds_per_reading` with every reading."""
    readings = iter(range(10**9))
    spec = tiny_spec(target_steps=600, checkpoint_every_steps=40, evaluate_every_steps=5000)
    test_bench = bench(working, spec, monotonic=lambda: next(readings) * seconds_per_reading)
    run_training(test_bench)
    reported = [report for report in map(parse_report, test_bench.output) if report and report["kind"] == "saved"]
    return [report["steps"] for report in reported]


def test_saves_that_would_take_more_than_their_share_are_skipped(tmp_path: Path) -> None:
    every_one = list(range(40, 640, 40))
    # The clock stands still: saves take no time.
    assert saves_with_clock(tmp_path / "still", 0.0) == every_one
    # Fifty save times are longer than forty steps, whether a reading takes a millisecond or a second.
    for name, seconds_per_reading in (("fast", 0.001), ("slow", 1.0)):
        fewer = saves_with_clock(tmp_path / name, seconds_per_reading)
        assert set(fewer) < set(every_one) and fewer[0] == 40 and fewer[-1] == 600
    assert fingerprints(tmp_path / "still") == fingerprints(tmp_path / "fast") == fingerprints(tmp_path / "slow")
