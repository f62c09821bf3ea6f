"""Records the newest episode of an environment, so that another copy can repeat it."""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable
from typing import Any

from orchestrator.kernel.training.kept_state.rules.faults import NotSaved

Snapshot = tuple[str, list[bytes]]
"""JSON and buffers of an environment's attributes."""


class Recorder:
    """Takes the place of `step` and `reset` of one environment.

    Args:
        env: The environment, without wrappers.
        capture: Captures its attributes, without those that hide their state.
        restore: Restores such attributes.
        before_reset: Called before each reset.
    """

    def __init__(
        self,
        env: Any,
        *,
        capture: Callable[[Any], Snapshot],
        restore: Callable[[Any, Snapshot], None],
        before_reset: Callable[[Any], object],
    ) -> None:
        self._env, self._capture, self._restore, self._before_reset = env, capture, restore, before_reset
        self._began_before = getattr(env, "_np_random", None) is not None
        self._snapshot: Snapshot | None = None
        self._arguments: dict[str, Any] = {}
        self._actions: list[Any] = []
        self._resets = False
        env.__dict__["step"], env.__dict__["reset"] = _Step(self), _Reset(self)

    def reset(self, arguments: dict[str, Any]) -> Any:
        """Reset the environment; its state before belongs to the record."""
        env = self._env
        if arguments.get("seed") is None and getattr(env, "_np_random", self) is None:
            env.np_random  # noqa: B018 - else the reset would take a seed of the system, which is in no record
        self._before_reset(env)
        self._snapshot, self._arguments, self._actions = self._capture(env), copy.deepcopy(arguments), []
        self._resets = True  # a reset often makes a first step itself
        try:
            return type(env).reset(env, **arguments)
        finally:
            self._resets = False

    def step(self, action: Any) -> Any:
        """Step the environment."""
        if not self._resets:
            self._actions.append(action.copy() if hasattr(action, "copy") else copy.deepcopy(action))
        return type(self._env).step(self._env, action)

    def record(self) -> list[Any]:
        """Snapshot, arguments of the reset, and actions since; empty before the first episode.

        Raises:
            NotSaved: The episode began before it was recorded.
        """
        if self._snapshot is not None:
            return [*self._snapshot, self._arguments, _packed(self._actions)]
        if self._began_before:
            raise NotSaved("its episode began before it was recorded; name the environment before its first reset")
        return []

    def replay(self, record: list[Any]) -> None:
        """Repeat a recorded episode."""
        if not record:
            return
        text, buffers, arguments, actions = record
        self._restore(self._env, (text, buffers))
        self._env.reset(**arguments)
        self._snapshot = (text, buffers)  # this copy may lack attributes that hide their state
        for action in actions:
            self._env.step(action)


class InProcess:
    """Base of what is set in an attribute of an environment and is not state."""


class _Step(InProcess):
    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder

    def __call__(self, action: Any) -> Any:
        return self.recorder.step(action)


class _Reset(InProcess):
    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def __call__(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        given = {"seed": seed, "options": options}
        return self._recorder.reset({name: value for name, value in given.items() if value is not None})


def recorder_of(env: Any) -> Recorder | None:
    """The recorder of an environment, None without one."""
    own = getattr(env, "__dict__", None)
    step = own.get("step") if isinstance(own, dict) else None
    return step.recorder if type(step) is _Step else None


def _packed(actions: list[Any]) -> Any:
    """Actions as one array if they are equal in kind: JSON for each array of a long episode would be large."""
    numpy = sys.modules.get("numpy")
    if numpy is None or not actions or type(actions[0]) is not numpy.ndarray:
        return actions
    kinds = {(one.shape, one.dtype) if type(one) is numpy.ndarray else None for one in actions}
    return numpy.stack(actions) if len(kinds) == 1 and None not in kinds else actions
