"""ALE: the emulator with its random generator, and the register of sticky actions.

With a probability the emulator repeats the action of its last frame instead of the one that it is given. That action
is in no state of ALE. It follows from the generator and the newest actions, so these are recorded, and repeated before
the state is restored.
"""

from __future__ import annotations

import importlib
import math
import zlib
from typing import Any

from orchestrator.kernel.training.kept_state.objects.program import class_name
from orchestrator.kernel.training.kept_state.rules.faults import NotSaved

_ALE = "ale_py._ale_py:ALEInterface"
_STICKY = "repeat_action_probability"
_DOUBT = 1e-15
"""Probability that none of the recorded actions has reached the register."""


class AleRule:
    """The state of an emulator."""

    def claims(self, value: Any) -> bool:
        """Whether it is an emulator, recorded or not."""
        return type(value) is RecordedAle or class_name(type(value)) == _ALE

    def watch(self, value: Any) -> Any:
        """Record the actions of an emulator with sticky actions."""
        return RecordedAle(value) if type(value) is not RecordedAle and value.getFloat(_STICKY) > 0 else None

    def save(self, value: Any) -> Any:
        """The emulator's state, and the newest actions with the state before them.

        Raises:
            NotSaved: It has sticky actions, which were not recorded.
        """
        state = {"state": zlib.compress(value.cloneSystemState().serialize(), 1)}
        if type(value) is RecordedAle:
            before, actions, strengths = value.recorded()
            return {**state, "before": zlib.compress(before, 1), "actions": actions, "strengths": strengths}
        if value.getFloat(_STICKY) > 0:
            raise NotSaved("its sticky actions were not recorded; name the environment before its first step")
        return state

    def load(self, value: Any, state: Any) -> None:
        """Repeat the recorded actions, then restore the emulator.

        Raises:
            ValueError: Only one of the checkpoint and this emulator has recorded actions.
        """
        if ("before" in state) is not (type(value) is RecordedAle):
            raise ValueError("only one of the checkpoint and this training has sticky actions")
        build = importlib.import_module("ale_py").ALEState
        if type(value) is RecordedAle:
            value.repeat(build(zlib.decompress(state["before"])), state["actions"], state["strengths"])
        value.restoreSystemState(build(zlib.decompress(state["state"])))


class RecordedAle:
    """An emulator that records its newest actions; everything else is the emulator's own.

    Args:
        ale: The emulator.
    """

    def __init__(self, ale: Any) -> None:
        self._ale = ale
        self._needed = math.ceil(math.log(_DOUBT) / math.log(min(ale.getFloat(_STICKY), 0.999)))
        self._forget()

    def act(self, action: Any, paddle_strength: float = 1.0) -> Any:
        """Play one frame."""
        if len(self._newer[1]) >= self._needed:
            self._older, self._newer = self._newer, (self._ale.cloneSystemState(), [])
        self._newer[1].append((getattr(action, "value", action), float(paddle_strength)))
        return self._ale.act(action, paddle_strength)

    def loadROM(self, *arguments: Any) -> Any:  # noqa: N802 - the emulator's name
        """Load a game; its register is empty again."""
        done = self._ale.loadROM(*arguments)
        self._forget()
        return done

    def recorded(self) -> tuple[bytes, list[int], list[float]]:
        """An earlier state, and the actions and paddle strengths since."""
        before, actions = self._older[0], [*self._older[1], *self._newer[1]]
        return before.serialize(), [action for action, _ in actions], [strength for _, strength in actions]

    def repeat(self, before: Any, actions: list[int], strengths: list[float]) -> None:
        """Play recorded actions again."""
        kind = importlib.import_module("ale_py").Action
        self._ale.restoreSystemState(before)
        for action, strength in zip(actions, strengths, strict=True):
            self._ale.act(kind(action), strength)
        self._older = (before, list(zip(actions, strengths, strict=True)))
        self._newer = (self._ale.cloneSystemState(), [])

    def _forget(self) -> None:
        state = self._ale.cloneSystemState()
        self._older: tuple[Any, list[tuple[int, float]]] = (state, [])
        self._newer: tuple[Any, list[tuple[int, float]]] = (state, [])

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ale, name)
