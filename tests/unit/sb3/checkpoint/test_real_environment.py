"""Exact resume in the traffic environment in which the section trains."""

from pathlib import Path
from typing import Any

from readings import fingerprints
from tiny_world import bench, tiny_spec

from orchestrator.kernel.outcome import KernelEnding
from orchestrator.sb3.loop import TrainingResult, train
from orchestrator.sb3.training.training_spec import Lineage
from orchestrator.sb3.training.training_state import Evaluation, Task
from validation_ch7.traffic.env.vec_env import TrafficSignalVecEnv

TARGET_STEPS = 480


class StoppingEnv(TrafficSignalVecEnv):
    """The real environment; it requests a stop after a number of decisions."""

    decisions_left = 10**9
    stop: Any = None

    def step_wait(self) -> Any:
        self.decisions_left -= 1
        if self.decisions_left == 0:
            self.stop.request()
        return super().step_wait()


def session(working: Path, number: int, *, decisions: int = 10**9) -> TrainingResult:
    spec = tiny_spec(target_steps=TARGET_STEPS)
    spec["lineage"]["environment"] = {"episode_s": 300.0}
    spec["lineage"]["hyper_parameters"]["learning_starts"] = 60
    test_bench = bench(working, spec, session=number)

    def build_env(lineage: Lineage) -> TrafficSignalVecEnv:
        env = StoppingEnv(n_envs=lineage.hyper_parameters.n_envs, seed=lineage.seed, environment=lineage.environment)
        env.decisions_left, env.stop = decisions, test_bench.stop
        return env

    task = Task(build_env=build_env, evaluate=lambda model, lineage: Evaluation(score=0.0, measures={}))
    try:
        return train(test_bench.context, test_bench.plan, task)
    finally:
        test_bench.context.reporter.close()


def test_a_chain_in_the_traffic_environment_equals_one_session_byte_for_byte(tmp_path: Path) -> None:
    assert session(tmp_path / "straight", 1).training.steps == TARGET_STEPS
    assert session(tmp_path / "chain", 1, decisions=37).ending is KernelEnding.STOPPED  # within an episode
    finished = session(tmp_path / "chain", 2)
    assert finished.training.steps_start == 37 * 4 and finished.training.steps == TARGET_STEPS
    assert finished.facts["gradient_updates"] > 0
    assert fingerprints(tmp_path / "chain") == fingerprints(tmp_path / "straight")
