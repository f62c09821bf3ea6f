import gymnasium
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stable_baselines3.common.buffers import ReplayBuffer

from orchestrator.sb3.state.replay_buffer import capture_replay, replay_transitions, restore_replay

BOX = gymnasium.spaces.Box(-np.inf, np.inf, (3,), np.float32)
ARRAYS = ("observations", "next_observations", "actions", "rewards", "dones", "timeouts")


def buffer(capacity: int, *, optimize: bool = False) -> ReplayBuffer:
    return ReplayBuffer(
        capacity,
        BOX,
        gymnasium.spaces.Discrete(2),
        "cpu",
        n_envs=2,
        optimize_memory_usage=optimize,
        handle_timeout_termination=not optimize,
    )


def filled(capacity: int, decisions: int, episode: int) -> ReplayBuffer:
    """A buffer after `decisions` decisions, with signed zeros and NaN among its observations."""
    original, random = buffer(capacity), np.random.default_rng(decisions)
    odd = np.array([0.0, -0.0, np.nan, 1.0], dtype=np.float32)
    now = random.choice(odd, (2, 3))
    for decision in range(decisions):
        last = (decision + 1) % episode == 0
        following = random.choice(odd, (2, 3))
        infos = [{"TimeLimit.truncated": last}] * 2
        original.add(now, following, random.integers(0, 2, 2), random.normal(size=2), np.full(2, last), infos)
        now = random.choice(odd, (2, 3)) if last else following
    return original


@given(decisions=st.integers(0, 25), episode=st.integers(1, 7))
def test_a_buffer_is_restored_bit_for_bit(decisions: int, episode: int) -> None:
    original = filled(20, decisions, episode)
    restored = filled(20, 14, 3)  # a used buffer: its earlier contents must not remain
    for _ in range(2):
        restore_replay(restored, capture_replay(original))
        for name in ARRAYS:
            assert getattr(restored, name).tobytes() == getattr(original, name).tobytes(), name
        assert (restored.pos, restored.full) == (original.pos, original.full)


def test_only_next_observations_that_differ_from_the_following_row_are_saved() -> None:
    state = capture_replay(filled(2000, 900, 90))
    assert len(state["next_places"]) <= 2 * 10  # ten ends of episodes, including the newest row
    assert state["observations"].shape == (900, 2, 3)


def test_a_captured_state_is_not_changed_by_further_steps() -> None:
    original = filled(20, 5, 3)
    state = capture_replay(original)
    before = state["rewards"].copy()
    original.rewards[:] = 99
    assert np.array_equal(state["rewards"], before)
    assert replay_transitions(original) == 10


def test_a_buffer_of_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        restore_replay(buffer(10), capture_replay(filled(40, 12, 3)))


def test_a_buffer_of_another_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot be captured"):
        capture_replay(buffer(10, optimize=True))
