"""The state of the callbacks that a user gives `learn` beside `run.callback`: counters, best rewards, evaluations."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gymnasium
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback, CallbackList, ProgressBarCallback
from stable_baselines3.common.vec_env import VecEnv

from orchestrator.sb3.envs.attributes import Capture, Restore
from orchestrator.sb3.state.algorithm_state import outside_of


def users_callbacks(root: Any, own: BaseCallback) -> list[BaseCallback]:
    """The callbacks of a user, in order, from what `learn` received."""
    return [one for one in _leaves(root) if one is not own and not isinstance(one, ProgressBarCallback)]


def require_own_callback(root: Any, own: BaseCallback) -> None:
    """Check that `learn` calls `run.callback` at every rollout.

    Raises:
        ValueError: It is inside another callback, which calls it at its own events only: nothing would be saved.
    """
    if own not in _leaves(root):
        raise ValueError(
            "run.callback must be in the list that model.learn gets, not inside another callback: "
            "model.learn(run.remaining, callback=[your_callback, run.callback], reset_num_timesteps=False)"
        )


def environments_of(callbacks: list[BaseCallback]) -> list[Any]:
    """The environments of callbacks and of those inside them, e.g. for evaluations, without that of the training."""
    trained = {id(one.model.env) for one in callbacks if one.model is not None}
    return [
        value
        for one in with_nested(callbacks)
        for value in vars(one).values()
        if isinstance(value, VecEnv | gymnasium.Env) and id(value) not in trained
    ]


def with_nested(callbacks: list[BaseCallback]) -> list[BaseCallback]:
    """Callbacks and those that they hold, e.g. the `EvalCallback` in an `EveryNTimesteps`, each once."""
    found: dict[int, BaseCallback] = {}
    waiting: list[Any] = list(reversed(callbacks))
    while waiting:
        one = waiting.pop()
        if isinstance(one, list | tuple):
            waiting += reversed(one)
        elif isinstance(one, BaseCallback) and id(one) not in found:
            found[id(one)] = one
            waiting += reversed(list(vars(one).values()))
    return list(found.values())


def _leaves(root: Any) -> Iterator[BaseCallback]:
    if isinstance(root, CallbackList):
        for one in root.callbacks:
            yield from _leaves(one)
    elif isinstance(root, BaseCallback):
        yield root


def capture_callbacks(
    callbacks: list[BaseCallback], model: BaseAlgorithm, own: BaseCallback
) -> tuple[list[dict[str, Any]], list[str]]:
    """The state of each callback, and what of it cannot be captured."""
    capture = Capture({**outside_of(model), "run.callback": own})
    trees = [
        {"kind": type(one).__qualname__, "state": capture.attributes(one, type(one).__name__)} for one in callbacks
    ]
    return trees, capture.lost


def restore_callbacks(
    callbacks: list[BaseCallback], trees: list[dict[str, Any]], model: BaseAlgorithm, own: BaseCallback
) -> str | None:
    """Restore the state of each callback.

    Returns:
        Why it was not restored, None if it was.
    """
    before, now = [tree["kind"] for tree in trees], [type(one).__qualname__ for one in callbacks]
    if before != now:
        return f"callbacks: checkpoint={before}, current={now}; their state starts over"
    restore = Restore({**outside_of(model), "run.callback": own}, lenient=True)
    try:
        for one, tree in zip(callbacks, trees, strict=True):
            restore.attributes(one, tree["state"])
    except (ValueError, KeyError, TypeError, AttributeError) as fault:
        return f"callbacks: their state cannot be restored: {fault}"
    return None
