"""ALE: the emulator with its random generator, the register of sticky actions, and the picture on the screen.

With a probability the emulator repeats the action of its last frame instead of the one that it is given. That action
is in no state of ALE, and neither is the picture, of which some games (Qbert) do not draw every line in each frame.
Both follow from the generator and the newest actions, so these are recorded, and repeated before the state is restored.
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
_FRAMES = 24
"""Recorded actions at least; two frames draw the whole picture of every game that was tried."""

_Actions = tuple[Any, list[tuple[int, float]]]
"""A state, and the actions and paddle strengths since."""


class AleRule:
    """The state of an emulator."""

    def claims(self, value: Any) -> bool:
        """Whether it is an emulator, recorded or not."""
        return type(value) is RecordedAle or class_name(type(value)) == _ALE

    def watch(self, value: Any) -> Any:
        """Record the actions of an emulator."""
        return None if type(value) is RecordedAle else RecordedAle(value)

    def save(self, value: Any) -> Any:
        """The emulator's state, and the newest actions with the state before them.

        Raises:
            NotSaved: It has sticky actions, which were not recorded.
        """
        state = {"state": zlib.compress(value.cloneSystemState().serialize(), 1)}
        if type(value) is RecordedAle:
            return {**state, "recorded": value.recorded()}
        if value.getFloat(_STICKY) > 0:
            raise NotSaved("its sticky actions were not recorded; name the environment before its first step")
        return state

    def load(self, value: Any, state: Any) -> None:
        """Repeat the recorded actions, then restore the emulator.

        A checkpoint of an earlier version has none for an emulator without sticky actions.

        Raises:
            ValueError: Only one of the checkpoint and this emulator has recorded sticky actions.
        """
        recorded = type(value) is RecordedAle
        if value.getFloat(_STICKY) > 0 and not (recorded and "recorded" in state):
            raise ValueError("only one of the checkpoint and this training has recorded sticky actions")
        if recorded and "recorded" in state:
            value.repeat(state["recorded"])
        value.restoreSystemState(_state(zlib.decompress(state["state"])))
        if recorded and "recorded" not in state:
            value.begin()


class RecordedAle:
    """An emulator that records its newest actions; everything else is the emulator's own.

    Args:
        ale: The emulator.
    """

    def __init__(self, ale: Any) -> None:
        self._ale, sticky = ale, min(ale.getFloat(_STICKY), 0.999)
        self._needed = max(_FRAMES, math.ceil(math.log(_DOUBT) / math.log(sticky)) if sticky > 0 else 0)
        self.begin()

    def begin(self) -> None:
        """Record from the present state on."""
        self._older: _Actions = (self._ale.cloneSystemState(), [])
        self._newer: _Actions = self._older[0], []

    def act(self, action: Any, paddle_strength: float = 1.0) -> Any:
        """Play one frame."""
        if len(self._newer[1]) >= self._needed:
            self._older, self._newer = self._newer, (self._ale.cloneSystemState(), [])
        self._newer[1].append((getattr(action, "value", action), float(paddle_strength)))
        return self._ale.act(action, paddle_strength)

    def loadROM(self, *arguments: Any) -> Any:  # noqa: N802 - the emulator's name
        """Load a game; its register is empty again."""
        done = self._ale.loadROM(*arguments)
        self.begin()
        return done

    def recorded(self) -> list[Any]:
        """Two earlier states, each with the actions and paddle strengths since."""
        return [[zlib.compress(state.serialize(), 1), list(actions)] for state, actions in (self._older, self._newer)]

    def repeat(self, recorded: list[Any]) -> None:
        """Play recorded actions again."""
        kind = importlib.import_module("ale_py").Action
        older, newer = ((_state(zlib.decompress(state)), list(actions)) for state, actions in recorded)
        self._older, self._newer = older, newer
        self._ale.restoreSystemState(self._older[0])
        for action, strength in (*self._older[1], *self._newer[1]):
            self._ale.act(kind(action), strength)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ale, name)


def _state(content: bytes) -> Any:
    return importlib.import_module("ale_py").ALEState(content)
