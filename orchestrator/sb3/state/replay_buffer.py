"""The replay buffer as plain arrays: its filled part, and the position of the next transition.

Most next observations equal the observation of the following row. Only the others are stored: at the ends of
episodes, and the newest ones. That nearly halves the file without any loss.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from stable_baselines3.common.buffers import ReplayBuffer

_WHOLE = ("observations", "actions", "rewards", "dones", "timeouts")


def capture_replay(buffer: ReplayBuffer) -> dict[str, Any]:
    """The filled part of a replay buffer; shares no memory with it.

    Raises:
        ValueError: The buffer is of another kind, which may have more state.
    """
    if type(buffer) is not ReplayBuffer or buffer.optimize_memory_usage:
        raise ValueError(f"a {type(buffer).__name__} of this kind cannot be captured")
    filled = buffer.size()
    places, values = _unpredicted(buffer.observations[:filled], buffer.next_observations[:filled])
    return {
        "pos": buffer.pos,
        "full": buffer.full,
        **{name: getattr(buffer, name)[:filled].copy() for name in _WHOLE},
        "next_places": places,
        "next_values": values,
    }


def restore_replay(buffer: ReplayBuffer, state: Mapping[str, Any]) -> None:
    """Fill a replay buffer; the rest becomes zero, as in a new buffer.

    Raises:
        ValueError: The arrays do not fit the buffer.
    """
    for name in _WHOLE:
        _fill(getattr(buffer, name), state[name], name)
    following = np.roll(state["observations"], -1, axis=0)
    following.reshape(-1, *buffer.obs_shape)[state["next_places"]] = state["next_values"]
    _fill(buffer.next_observations, following, "next_observations")
    buffer.pos, buffer.full = state["pos"], state["full"]


def replay_transitions(buffer: ReplayBuffer) -> int:
    """Transitions in the buffer, summed over environments."""
    return buffer.size() * buffer.n_envs


def _unpredicted(observations: np.ndarray, following: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Flat indices and values of the next observations that differ from the observation of the following row.

    Bytes are compared, not numbers, so that NaN and negative zero are restored exactly.
    """
    rows, copies = observations.shape[:2]
    if rows * copies == 0:
        return np.zeros(0, dtype=np.int64), following.reshape(0, *following.shape[2:]).copy()
    kept, found = _words(observations), _words(following)
    # The last row is followed by the first one. `np.roll` would copy the whole buffer.
    differ = np.concatenate([(kept[1:] != found[:-1]).any(axis=2), (kept[:1] != found[-1:]).any(axis=2)])
    places = np.flatnonzero(differ)
    return places, following.reshape(rows * copies, *following.shape[2:])[places]


def _words(cells: np.ndarray) -> np.ndarray:
    """The bytes of each cell as unsigned integers, as wide as its size allows: shape (rows, copies, words)."""
    rows, copies = cells.shape[:2]
    size_bytes = cells[0, 0].nbytes
    word = next(width for width in (8, 4, 2, 1) if size_bytes % width == 0)
    return np.ascontiguousarray(cells).reshape(rows, copies, -1).view(f"u{word}")


def _fill(kept: np.ndarray, saved: np.ndarray, name: str) -> None:
    if saved.shape[1:] != kept.shape[1:] or len(saved) > len(kept) or saved.dtype != kept.dtype:
        raise ValueError(f"replay {name} {saved.dtype}{saved.shape} does not fit {kept.dtype}{kept.shape}")
    kept[: len(saved)] = saved
    kept[len(saved) :] = 0
