"""Models of `run.sb3`: each saved part is left out once, for each algorithm; the training must then end differently."""

from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
from cut_trainings import Saved, end_of, filled, parts_in, saved, without
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback

from orchestrator.sb3.script.building import built as checked
from orchestrator.sb3.state.npz_tree import same_state
from orchestrator.sb3.state.training_state_io import capture_state, restore_sections
from orchestrator.sb3.training.factory import prepare_torch
from tests.proofs.train import BUILDERS

CUT_STEPS, TARGET_STEPS = 128, 192
CASES = dict(reversed(BUILDERS))
"""Algorithm -> its first environment."""
LONGER = {"ARS": 3}
"""Algorithms whose boundaries lie far apart -> how many times longer they are trained."""
# Leaving these out changes nothing. No episode of the training with QRDQN ends by its time limit. On-policy
# training never counts episodes, and ARS records none; ARS keeps its weights in the memory of its policy. Only a
# recurrent policy uses the episode starts before a rollout's first step. A frozen normalization has its own test.
_ON_POLICY = {"counters.episode_num", "last.last_episode_starts"}
_NOT_NOTICED = {
    "ARS": {
        *("counters.episode_num", "episode_statistics.episodes", "episode_statistics.successes"),
        "own_attributes.weights",
    },
    "A2C": _ON_POLICY | {"layers.0.training"},
    "MaskablePPO": _ON_POLICY,
    "PPO": _ON_POLICY,
    "QRDQN": {"other_replay_buffer.timeouts"},
    "RecurrentPPO": {"counters.episode_num"},
    "TRPO": _ON_POLICY,
}
_FAILURES = (ValueError, RuntimeError, TypeError)
_IN_EVERY_TEST_RUN = ("RecurrentPPO",)


class AtBoundary(BaseCallback):
    """Calls a function once, at the first boundary at or after some steps."""

    def __init__(self, steps: int, act: Callable[[BaseAlgorithm], None]) -> None:
        super().__init__()
        self._steps, self._act, self._is_done = steps, act, False

    def _on_rollout_start(self) -> None:
        if not self._is_done and self.model.num_timesteps >= self._steps:
            self._is_done = True
            self._act(self.model)

    def _on_step(self) -> bool:
        return True


def built(algorithm: str) -> BaseAlgorithm:
    prepare_torch("cpu", warn_only=True)
    return checked(BUILDERS[algorithm, CASES[algorithm]])


def learned(model: BaseAlgorithm, *callbacks: BaseCallback) -> dict[str, str]:
    """Train to the target; returns digests of the whole state."""
    target_steps = TARGET_STEPS * LONGER.get(type(model).__name__, 1)
    model.learn(target_steps - model.num_timesteps, callback=list(callbacks), reset_num_timesteps=False)
    return end_of(model)


@cache
def straight(algorithm: str) -> dict[str, str]:
    return learned(built(algorithm))


@cache
def cut(algorithm: str) -> Saved:
    found: list[Saved] = []
    end = learned(built(algorithm), AtBoundary(CUT_STEPS, lambda model: found.append(saved(model))))
    assert end == straight(algorithm), "to save changes the training"
    return found[0]


def end_without(algorithm: str, leave_out: str | None) -> dict[str, str]:
    """The end of a training that is restored twice, as `run.sb3` does: when it is built, and at the first boundary."""
    whole = cut(algorithm)

    def restore(model: BaseAlgorithm) -> None:
        tree = without(whole.state, leave_out, capture_state(model))
        restore_sections(model, {name: part for name, part in tree.items() if "replay_buffer" not in name})

    return learned(filled(lambda: built(algorithm), whole, leave_out=leave_out), AtBoundary(0, restore))


def is_noticed(algorithm: str, leave_out: str) -> bool:
    try:
        return end_without(algorithm, leave_out) != straight(algorithm)
    except _FAILURES:  # it diverged, or stepped an environment that has ended
        return True


def arguments(algorithm: str) -> set[str]:
    """Attributes of an algorithm that is not known by name and that a new model has already: its arguments."""
    new = dict(capture_state(built(algorithm)).get("own_attributes", ()))
    kept = dict(cut(algorithm).state.get("own_attributes", ()))
    same = {f"own_attributes.{name}" for name in new if same_state({"of": new[name]}, {"of": kept[name]})}
    return same | ({"own_attributes"} if len(same) == len(new) else set())


def with_prove_mark(algorithm: str) -> Any:
    return algorithm if algorithm in _IN_EVERY_TEST_RUN else pytest.param(algorithm, marks=pytest.mark.prove)


@pytest.mark.parametrize("algorithm", [with_prove_mark(algorithm) for algorithm in sorted(CASES)])
def test_every_part_is_needed_and_all_parts_suffice(algorithm: str) -> None:
    assert end_without(algorithm, None) == straight(algorithm)
    parts = [part for part in parts_in(built(algorithm), cut(algorithm)) if part not in arguments(algorithm)]
    not_noticed = {part for part in parts if not is_noticed(algorithm, part)}
    assert not_noticed == _NOT_NOTICED.get(algorithm, set())
    assert len(parts) > 10
