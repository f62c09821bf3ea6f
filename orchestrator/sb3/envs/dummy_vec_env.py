"""Captures and restores each Gymnasium environment of a `DummyVecEnv`, with the usual wrappers around it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import gymnasium
from gymnasium.wrappers import OrderEnforcing, PassiveEnvChecker, TimeLimit
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv

from orchestrator.sb3.envs.attributes import ATTRIBUTES, Capture, Restore, is_ruled

Single = gymnasium.Env[Any, Any]

# Attributes of a wrapper that the next steps depend on, and those of a monitor that users read. A monitor's times are
# left out, since they differ between repeated runs.
_STATE_OF: Mapping[type[Single], tuple[str, ...]] = {
    TimeLimit: ("_elapsed_steps",),
    OrderEnforcing: ("_has_reset",),
    PassiveEnvChecker: (),  # checks the first reset and step; has no other effect
    Monitor: ("rewards", "needs_reset", "episode_returns", "episode_lengths", "total_steps", "current_reset_info"),
}


def lost_of_singles(env: DummyVecEnv) -> list[str]:
    """State that cannot be saved: the class of the environment or wrapper, and the attribute with the reason."""
    capture = Capture(_names(env))
    for copy in env.envs:
        for part in _parts(copy):
            if type(part) not in _STATE_OF and not _has_own_state(part):
                capture.layer(part)
    return list(dict.fromkeys(capture.lost))


def wrappers_of_singles(env: DummyVecEnv) -> list[str]:
    """Classes of the wrappers around the first environment, outermost first, without the known passive ones."""
    *around, _ = _parts(env.envs[0])
    return [type(part).__name__ for part in around if type(part) not in _STATE_OF]


def declared_of_singles(env: DummyVecEnv) -> frozenset[str]:
    """Keys of the environments' states that may hold NaN or an infinity, as declared in `NON_FINITE_STATE`."""
    parts = (part for copy in env.envs for part in _parts(copy))
    return frozenset(name for part in parts for name in getattr(type(part), "NON_FINITE_STATE", ()))


def capture_singles(env: DummyVecEnv) -> list[dict[str, Any]]:
    """State of each environment and its wrappers: depth (0 is outermost) -> state.

    An environment without `get_state` and `set_state` is captured by its attributes. The `DummyVecEnv` itself has no
    state: each step fills its buffers before they are read.
    """
    capture = Capture(_names(env))
    return [{str(depth): _capture(part, capture) for depth, part in enumerate(_parts(copy))} for copy in env.envs]


def restore_singles(env: DummyVecEnv, trees: list[dict[str, Any]]) -> None:
    """Restore each environment.

    Raises:
        ValueError: The number of environments or of their wrappers differs, or the state does not fit.
    """
    restore = Restore(_names(env))
    for copy, tree in zip(env.envs, trees, strict=True):
        parts = {str(depth): part for depth, part in enumerate(_parts(copy))}
        if set(parts) != set(tree):
            raise ValueError(f"an environment has {len(parts)} layers, the checkpoint {len(tree)}")
        for depth, part in parts.items():
            _restore(part, tree[depth], restore)


def replace_in_singles(env: DummyVecEnv, before: Any, after: Any) -> None:
    """Replace an object in the attributes of the environments and their wrappers."""
    for part in (part for copy in env.envs for part in _parts(copy)):
        for name in [name for name, value in vars(part).items() if value is before]:
            setattr(part, name, after)


def _names(env: DummyVecEnv) -> dict[str, Any]:
    """The environments and wrappers by place: a reference from one to another is stored as that."""
    return {f"{copy}.{depth}": part for copy, one in enumerate(env.envs) for depth, part in enumerate(_parts(one))}


def _parts(copy: Single) -> Iterator[Single]:
    yield copy
    while isinstance(copy, gymnasium.Wrapper):
        copy = copy.env
        yield copy


def _has_own_state(part: Single) -> bool:
    return not is_ruled(part) and hasattr(type(part), "get_state") and hasattr(type(part), "set_state")


def _capture(part: Single, capture: Capture) -> Any:
    if type(part) in _STATE_OF:
        return {name: _copied(getattr(part, name)) for name in _STATE_OF[type(part)]}
    if _has_own_state(part):
        return part.get_state()  # type: ignore[attr-defined]  # checked by name
    return capture.layer(part)


def _restore(part: Single, tree: Any, restore: Restore) -> None:
    if type(part) in _STATE_OF:
        for name in _STATE_OF[type(part)]:
            setattr(part, name, _copied(tree[name]))
    elif _has_own_state(part) and ATTRIBUTES not in tree:
        part.set_state(tree)  # type: ignore[attr-defined]  # checked by name
    elif tree is not None:  # None in checkpoints of an earlier version, which could not save it
        restore.layer(part, tree)
    if isinstance(part, PassiveEnvChecker):
        for name in [name for name in vars(part) if name.startswith("checked_")]:
            setattr(part, name, True)  # it compares the first step with a reset that was before the resume
    if isinstance(part, Monitor):
        part.episode_times = [0.0] * len(part.episode_returns)


def _copied(value: Any) -> Any:
    return value.copy() if isinstance(value, dict | list) else value
