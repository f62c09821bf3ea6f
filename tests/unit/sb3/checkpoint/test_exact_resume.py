"""The central claim of the project: a chain of sessions equals one long session, byte for byte."""

import os
import random
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from readings import fingerprints, latest_card, models_dir
from tiny_world import TinyVecEnv, bench, tiny_spec, tiny_world

from orchestrator.kernel.outcome import KernelEnding
from orchestrator.sb3.algorithms.classes import absolute_step_class
from orchestrator.sb3.checkpoint import resume as starting
from orchestrator.sb3.loop import TrainingResult, train
from orchestrator.sb3.state.npz_tree import read_state
from orchestrator.sb3.state.policy_digest import policy_digest
from orchestrator.sb3.state.replay_buffer import restore_replay
from orchestrator.sb3.state.training_state_io import capture_state, restore_state

ROOT = Path(__file__).parents[4]
DRIVER = Path(__file__).parents[1].joinpath("session_driver.py")
CUT_STEPS = 636
TARGET_STEPS = 1200


def run_session(working: Path, session: int, *, stop_at: int = 0, target: int = TARGET_STEPS) -> str:
    """Run a session in a new interpreter, with a real SIGTERM after `stop_at` of its steps."""
    command = [sys.executable, "-W", "error", str(DRIVER), str(working), str(session), str(stop_at), str(target)]
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{DRIVER.parent}"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=working.parent)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


def session_here(working: Path, *, stop_at: int | None = None, session: int = 1, **changes: Any) -> TrainingResult:
    """Run a session in this process: faster, and enough where the test is not about processes."""
    test_bench = bench(working, tiny_spec(**{"target_steps": TARGET_STEPS, **changes}), session=session)
    world = tiny_world(at_steps=stop_at, act=lambda: test_bench.stop.request())
    try:
        return train(test_bench.context, test_bench.plan, world)
    finally:
        test_bench.context.reporter.close()


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Working folder of one session from step 0 to the target, which loads nothing."""
    working = tmp_path_factory.mktemp("straight")
    assert run_session(working, 1) == f"finished {TARGET_STEPS}"
    return working


@pytest.fixture(scope="module")
def cut(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Working folder of the same training, stopped by SIGTERM within an episode."""
    working = tmp_path_factory.mktemp("cut")
    assert run_session(working, 1, stop_at=CUT_STEPS) == f"stopped {CUT_STEPS}"
    return working


@pytest.fixture
def cut_copy(cut: Path, tmp_path: Path) -> Path:
    source, working = models_dir(cut), tmp_path / "copy"
    for path in sorted(source.rglob("*")):
        if path.is_file():
            place = models_dir(working) / path.relative_to(source)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(path.read_bytes())
    return working


def test_a_chain_of_processes_equals_one_straight_process_byte_for_byte(straight: Path, cut_copy: Path) -> None:
    assert latest_card(cut_copy).steps == CUT_STEPS  # the terminated session has saved a valid checkpoint
    assert run_session(cut_copy, 2, stop_at=212) == f"stopped {CUT_STEPS + 212}"
    assert run_session(cut_copy, 3) == f"finished {TARGET_STEPS}"

    assert fingerprints(cut_copy) == fingerprints(straight)
    assert [ancestor.steps for ancestor in latest_card(cut_copy).ancestry] == [636, 848, 1000]
    best, other = (models_dir(working) / "best_model/best_model.zip" for working in (cut_copy, straight))
    assert best.read_bytes() == other.read_bytes()


def test_the_usual_way_to_resume_ends_with_another_policy(straight: Path, cut_copy: Path) -> None:
    """The control: model and replay buffer are loaded as the library's manual describes."""
    card, folder = latest_card(cut_copy), models_dir(cut_copy) / "checkpoints"
    model = absolute_step_class("DQN").load(folder / f"{card.stem}.zip", env=TinyVecEnv(4, 7))
    model.horizon_steps = 3000
    state = read_state(folder / f"{card.stem}.state.npz")
    restore_replay(model.replay_buffer, state["training"]["replay_buffer"])
    assert policy_digest(model.policy) == card.identity["policy_digest"]

    model.learn(TARGET_STEPS - CUT_STEPS, reset_num_timesteps=False)

    assert model.num_timesteps == TARGET_STEPS
    assert policy_digest(model.policy) != latest_card(straight).identity["policy_digest"]


# Element left out -> whether the policy itself differs at the end. Where it does not, the element is saved because
# another algorithm uses it (torch's and Python's generators, episode starts) or users read it (counts, statistics):
# then its own value must differ at the end.
ELEMENTS = {
    "counters.n_updates": False,
    "counters.n_calls": True,
    "counters.episode_num": False,
    "schedules.exploration_rate": True,
    "last.last_obs": True,
    "last.last_episode_starts": False,
    "episode_statistics": False,
    "replay_buffer": True,
    "environment": True,
    "action_space_rng": True,
    "python_rng": False,
    "numpy_rng": True,
    "torch_rng": False,
}


# This training draws nothing from these two generators, so those of a new model equal the saved ones. They are
# disturbed, as another program would do.
DISTURBANCES: dict[str, Callable[[], object]] = {
    "python_rng": lambda: random.seed(12345),
    "torch_rng": lambda: torch.manual_seed(12345),
}


def without(tree: dict[str, Any], element: str, fresh: dict[str, Any]) -> dict[str, Any]:
    """The tree with one element replaced by its value in a new model."""
    section, _, name = element.partition(".")
    value = {**tree[section], name: fresh[section][name]} if name else fresh[section]
    return {**tree, section: value}


@pytest.mark.parametrize("element", sorted(ELEMENTS))
def test_each_element_of_the_state_is_needed(
    element: str, straight: Path, cut_copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def restore_all_but_one(model: Any, tree: dict[str, Any]) -> None:
        restore_state(model, without(tree, element, capture_state(model)))
        DISTURBANCES.get(element, lambda: None)()

    monkeypatch.setattr(starting, "restore_state", restore_all_but_one)
    with pytest.raises(ValueError, match=f"not completely restored: {element.partition('.')[0]} differ"):
        session_here(cut_copy, session=2)
    monkeypatch.setattr(starting, "_check_complete", lambda training, card, saved, grade: grade)

    session_here(cut_copy, session=2)

    expected, found = fingerprints(straight), fingerprints(cut_copy)
    assert found != expected
    assert (found["policy"] != expected["policy"]) is ELEMENTS[element]


def test_every_element_of_the_state_is_tested(cut: Path) -> None:
    tree = read_state(models_dir(cut) / "checkpoints" / f"{latest_card(cut).stem}.state.npz")["training"]
    known = {name.partition(".")[0] for name in ELEMENTS}
    assert set(tree) == known
    for section in ("counters", "schedules", "last"):
        tested = {name.partition(".")[2] for name in ELEMENTS if name.startswith(f"{section}.")}
        assert set(tree[section]) - {"num_timesteps"} == tested  # the step count is checked against the card


def test_the_optimizer_is_needed(straight: Path, cut_copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = starting.load_weights

    def load_without_optimizer(model: Any, content: bytes, *, sha256: str) -> None:
        fresh = model.policy.optimizer.state_dict()
        original(model, content, sha256=sha256)
        model.policy.optimizer.load_state_dict(fresh)

    monkeypatch.setattr(starting, "load_weights", load_without_optimizer)
    session_here(cut_copy, session=2)
    assert fingerprints(cut_copy)["policy"] != fingerprints(straight)["policy"]


def test_restoring_twice_equals_restoring_once(straight: Path, cut_copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def restore_twice(model: Any, tree: dict[str, Any]) -> None:
        restore_state(model, tree)
        model.learn(200, reset_num_timesteps=False)
        card = latest_card(cut_copy)
        content = (models_dir(cut_copy) / "checkpoints" / f"{card.stem}.zip").read_bytes()
        starting.load_weights(model, content, sha256=card.sha256_of(".zip"))
        restore_state(model, tree)

    monkeypatch.setattr(starting, "restore_state", restore_twice)
    session_here(cut_copy, session=2)
    assert fingerprints(cut_copy) == fingerprints(straight)


def test_raising_the_target_does_not_change_the_path(tmp_path: Path) -> None:
    """800 of 1600 steps equal 800 of 800, and so does the continuation to 1600."""
    session_here(tmp_path / "low", target_steps=800)
    session_here(tmp_path / "high", target_steps=1600, stop_at=800)
    low, high = fingerprints(tmp_path / "low"), fingerprints(tmp_path / "high")
    later = {name for name in low if name.startswith("selection.")}  # a session asked to stop evaluates later
    assert later and {name for name in low if low[name] != high[name]} <= later

    raised = session_here(tmp_path / "low", session=2, target_steps=1600)
    session_here(tmp_path / "high", session=2, target_steps=1600)
    assert raised.ending is KernelEnding.FINISHED and raised.training.steps_start == 800
    session_here(tmp_path / "once", target_steps=1600)
    assert fingerprints(tmp_path / "low") == fingerprints(tmp_path / "once") == fingerprints(tmp_path / "high")


def test_a_cut_at_an_evaluation_neither_loses_nor_repeats_it(straight: Path, tmp_path: Path) -> None:
    stopped = session_here(tmp_path / "chain", stop_at=800)
    assert [point.steps for point in stopped.training.record.curve] == [400]  # asked to stop: no evaluation
    finished = session_here(tmp_path / "chain", session=2)
    assert [point.steps for point in finished.training.record.curve] == [400, 800, 1200]
    assert fingerprints(tmp_path / "chain") == fingerprints(straight)


def test_a_policy_that_differs_from_the_card_is_refused(cut_copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(starting, "load_weights", lambda model, content, sha256: None)
    with pytest.raises(ValueError, match="its card states another one"):
        session_here(cut_copy, session=2)


def test_a_card_with_other_steps_than_its_state_is_refused(cut_copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    find = starting._latest_checkpoint

    def latest_checkpoint_with_other_steps(context: Any, scenario: str) -> Any:
        card = find(context, scenario)
        assert card is not None
        return replace(card, steps=card.steps + 4)

    monkeypatch.setattr(starting, "_latest_checkpoint", latest_checkpoint_with_other_steps)
    with pytest.raises(ValueError, match="holds a state after 636 steps"):
        session_here(cut_copy, session=2)
