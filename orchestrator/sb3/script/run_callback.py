"""`run.callback`: connects `model.learn` with the session."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from stable_baselines3.common.callbacks import BaseCallback


class Listener(Protocol):
    """What is called while a model learns; see `Learning`."""

    def starts(self, arguments: Mapping[str, Any]) -> None:
        """`learn` begins."""
        ...

    def at_boundary(self) -> None:
        """Between an update and the next rollout."""
        ...

    def ended(self) -> None:
        """`learn` returns."""
        ...


class RunCallback(BaseCallback):
    """Calls the session at the safe boundaries of `learn`."""

    def __init__(self, learning: Listener) -> None:
        super().__init__()
        self._learning = learning

    def _on_training_start(self) -> None:
        self._learning.starts(self.locals)

    def _on_rollout_start(self) -> None:
        self._learning.at_boundary()

    def _on_step(self) -> bool:
        return True

    def _on_training_end(self) -> None:
        self._learning.ended()
