"""Each saved part is left out once, for each algorithm: the training must then end in another state."""

from functools import cache
from typing import Any

import pytest
from cut_trainings import ALGORITHMS, CUT_STEPS, Saved, built, end_of, parts_of, restored, saved, trained
from tiny_world import VARIANTS

# Leaving these out does not change the policy. They must be restored nevertheless: users read them (counts,
# statistics), or another algorithm uses them.
_OF_ALL = {
    "counters.episode_num",
    "episode_statistics.episodes",
    "episode_statistics.successes",
    "last.last_episode_starts",
    "python_rng",
}
_WITHOUT_TRACE_IN_THE_POLICY = {
    "A2C": {*_OF_ALL, "counters.n_updates", "action_space_rng"},
    "DQN": {*_OF_ALL, "counters.n_updates", "torch_rng"},
    "PPO": {*_OF_ALL, "counters.n_updates", "action_space_rng"},
    "QRDQN": {*_OF_ALL, "counters.n_updates", "torch_rng"},
    "SAC": {*_OF_ALL, "counters.n_updates", "action_space_rng"},
    "TD3": {*_OF_ALL, "action_space_rng"},
    "DDPG": {*_OF_ALL, "counters.n_updates", "action_space_rng", "torch_rng"},
    "TQC": {*_OF_ALL, "counters.n_updates", "action_space_rng"},
    "CrossQ": {*_OF_ALL, "counters.n_updates", "action_space_rng"},
    "TRPO": {*_OF_ALL, "counters.n_updates", "action_space_rng"},
    "RecurrentPPO": {*_OF_ALL - {"last.last_episode_starts"}, "counters.n_updates", "action_space_rng"},
    "MaskablePPO": {*_OF_ALL, "counters.n_updates", "action_space_rng"},
    "ARS": {*_OF_ALL, "counters.n_updates", "action_space_rng", "numpy_rng"},
    "PPO gSDE": {*_OF_ALL, "counters.n_updates", "action_space_rng"},
    "SAC gSDE": {*_OF_ALL, "counters.n_updates", "action_space_rng"},
    "DQN n steps": {*_OF_ALL, "counters.n_updates", "torch_rng", "other_replay_buffer.dones"},
    "DQN lean": {*_OF_ALL, "counters.n_updates", "torch_rng"},
    "TD3 episodes": {*_OF_ALL, "counters.n_updates", "action_space_rng"},
    "QRDQN stacked": {*_OF_ALL, "counters.n_updates", "torch_rng"},
    "DQN named": {*_OF_ALL, "counters.n_updates", "torch_rng", "other_replay_buffer.dones"},
    "SAC hindsight": {*_OF_ALL, "counters.n_updates", "action_space_rng", "other_replay_buffer.dones"},
    "PPO images": {*_OF_ALL, "counters.n_updates", "action_space_rng"},
}
# Leaving these out changes nothing. On-policy training never counts episodes, and the episode starts before a
# rollout's first step enter no advantage (only a recurrent policy would use them): both are saved so that all
# algorithms have the same tree. The frozen normalization has its own test. Statistics of episodes need a monitor. Each
# `learn` draws gSDE's matrices before it uses them; a session is cut after that draw, see `test_every_algorithm.py`.
# The attributes of a transposition hold nothing that changes. A buffer without timeouts never reads them.
_ON_POLICY = {"counters.episode_num", "last.last_episode_starts"}
_NO_MONITOR = {"episode_statistics.episodes", "episode_statistics.successes"}
_NOT_NOTICED = {
    "A2C": {"counters.episode_num", "last.last_episode_starts", "layers.0.training"},
    "PPO": {"counters.episode_num", "last.last_episode_starts"},
    "SAC": {"layers.0.training"},
    "TRPO": _ON_POLICY,
    "RecurrentPPO": {"counters.episode_num"},
    "MaskablePPO": _ON_POLICY,
    "ARS": {
        *("counters.episode_num", "episode_statistics.kinds", "layers.0.returns", "layers.0.training"),
        *_NO_MONITOR,
    },
    "PPO gSDE": {*_ON_POLICY, "exploration_matrices"},
    "SAC gSDE": {"exploration_matrices"},
    "DQN lean": {"other_replay_buffer.timeouts"},
    "DQN named": _NO_MONITOR,
    "SAC hindsight": _NO_MONITOR,
    "PPO images": {*_ON_POLICY, *_NO_MONITOR, "layers.0.attributes"},
}
_IN_EVERY_TEST_RUN = ("A2C", "SAC", "TD3")  # the others are covered by tests with whole sessions


def with_prove_mark(algorithm: str) -> Any:
    return algorithm if algorithm in _IN_EVERY_TEST_RUN else pytest.param(algorithm, marks=pytest.mark.prove)


@cache
def straight(algorithm: str) -> dict[str, str]:
    """Digests at the end of a training that was never saved or loaded."""
    return end_of(trained(built(algorithm)))


@cache
def cut(algorithm: str) -> Saved:
    return saved(trained(built(algorithm), CUT_STEPS))


def differences(algorithm: str, leave_out: str) -> set[str]:
    try:
        end = end_of(trained(restored(algorithm, cut(algorithm), leave_out=leave_out)))
    except (ValueError, TypeError, RuntimeError, AttributeError):  # it diverged or failed without this part
        return {"policy"}
    return {name for name in end if end[name] != straight(algorithm)[name]}


@pytest.mark.parametrize("algorithm", [with_prove_mark(algorithm) for algorithm in (*ALGORITHMS, *VARIANTS)])
def test_every_saved_part_is_needed_and_all_parts_suffice(algorithm: str) -> None:
    assert end_of(trained(restored(algorithm, cut(algorithm)))) == straight(algorithm)
    found = {part: differences(algorithm, part) for part in parts_of(algorithm, cut(algorithm))}

    not_noticed = {part for part, differ in found.items() if not differ}
    assert not_noticed == _NOT_NOTICED.get(algorithm, set())
    without_trace = {part for part, differ in found.items() if "policy" not in differ}
    assert without_trace == _WITHOUT_TRACE_IN_THE_POLICY[algorithm] | not_noticed


@pytest.mark.parametrize("algorithm", ["SAC", pytest.param("TD3", marks=pytest.mark.prove)])
def test_the_action_space_generator_is_needed_while_actions_are_random(algorithm: str) -> None:
    early = saved(trained(built(algorithm), 48))
    assert end_of(trained(restored(algorithm, early))) == straight(algorithm)
    other = end_of(trained(restored(algorithm, early, leave_out="action_space_rng")))
    assert other["policy"] != straight(algorithm)["policy"]


def test_a_frozen_normalization_stays_frozen() -> None:
    def frozen() -> Any:
        model = trained(built("A2C"), CUT_STEPS)
        model.get_vec_normalize_env().training = False
        return model

    whole = saved(frozen())
    end = end_of(trained(frozen()))
    assert end_of(trained(restored("A2C", whole))) == end
    assert end_of(trained(restored("A2C", whole, leave_out="layers.0.training"))) != end
