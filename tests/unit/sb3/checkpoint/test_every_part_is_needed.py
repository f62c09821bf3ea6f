"""Each part of what is saved is left out once, for each algorithm: the run must then end elsewhere."""

from functools import cache
from typing import Any

import pytest
from cut_trainings import ALGORITHMS, CUT_STEPS, Saved, built, end_of, mended, run_context, saved, trained

# Leaving these out leaves the policy as it is. Users read them (counts, statistics), or another algorithm draws on
# them, so that their own value must come back all the same.
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
}
# Nothing at all tells when these are left out. On-policy training never counts episodes, and the starts before a
# rollout's first step enter no advantage (they are what a recurrent policy resets its memory by): both are kept so
# that all algorithms have one tree. Whether a normalization is frozen, a test of its own shows.
_NOT_NOTICED = {
    "A2C": {"counters.episode_num", "last.last_episode_starts", "layers.0.training"},
    "PPO": {"counters.episode_num", "last.last_episode_starts"},
    "SAC": {"layers.0.training"},
}
_IN_EVERY_TEST_RUN = ("A2C", "SAC", "TD3")  # of the others, other tests leave out the parts of whole sessions


def marked(algorithm: str) -> Any:
    return algorithm if algorithm in _IN_EVERY_TEST_RUN else pytest.param(algorithm, marks=pytest.mark.prove)


@cache
def straight(algorithm: str) -> dict[str, str]:
    """The end of a training that nothing was ever saved of or loaded into."""
    return end_of(trained(built(algorithm)))


@cache
def cut(algorithm: str) -> Saved:
    return saved(trained(built(algorithm), CUT_STEPS))


def differences(algorithm: str, leave_out: str) -> set[str]:
    try:
        end = end_of(trained(mended(algorithm, cut(algorithm), leave_out=leave_out)))
    except ValueError:  # it learned from nothing and diverged
        return {"policy"}
    return {name for name in end if end[name] != straight(algorithm)[name]}


@pytest.mark.parametrize("algorithm", [marked(algorithm) for algorithm in ALGORITHMS])
def test_every_part_is_needed_and_all_of_them_suffice(algorithm: str) -> None:
    assert end_of(trained(mended(algorithm, cut(algorithm)))) == straight(algorithm)
    found = {part: differences(algorithm, part) for part in run_context(algorithm, cut(algorithm))}

    not_noticed = {part for part, differ in found.items() if not differ}
    assert not_noticed == _NOT_NOTICED.get(algorithm, set())
    without_trace = {part for part, differ in found.items() if "policy" not in differ}
    assert without_trace == _WITHOUT_TRACE_IN_THE_POLICY[algorithm] | not_noticed


@pytest.mark.parametrize("algorithm", ["SAC", pytest.param("TD3", marks=pytest.mark.prove)])
def test_while_actions_are_random_the_action_space_is_part_of_the_state(algorithm: str) -> None:
    early = saved(trained(built(algorithm), 48))
    assert end_of(trained(mended(algorithm, early))) == straight(algorithm)
    other = end_of(trained(mended(algorithm, early, leave_out="action_space_rng")))
    assert other["policy"] != straight(algorithm)["policy"]


def test_a_frozen_normalization_stays_frozen() -> None:
    def frozen() -> Any:
        model = trained(built("A2C"), CUT_STEPS)
        model.get_vec_normalize_env().training = False
        return model

    whole = saved(frozen())
    end = end_of(trained(frozen()))
    assert end_of(trained(mended("A2C", whole))) == end
    assert end_of(trained(mended("A2C", whole, leave_out="layers.0.training"))) != end
