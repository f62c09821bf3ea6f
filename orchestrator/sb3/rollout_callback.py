"""The one place where a training may be looked at, saved or left: between an update and the next rollout."""

from __future__ import annotations

from collections.abc import Callable

from stable_baselines3.common.callbacks import BaseCallback


class LeftAtBoundary(Exception):
    """Carries the training out of `learn`, which has no other door here.

    Returning False from a callback would leave in the middle of a rollout, after a step of the environment
    whose transition is then never stored.
    """


class SafeBoundary(BaseCallback):
    """Calls an act at every safe boundary, and leaves `learn` when it says so.

    `on_rollout_start` comes after the update of the iteration before and draws nothing at random.

    """

    def __init__(self, must_leave_after: Callable[[], bool]) -> None:
        """Take the act that does what is due at a boundary and returns whether to leave."""
        super().__init__()
        self._must_leave_after = must_leave_after

    def _on_rollout_start(self) -> None:
        if self._must_leave_after():
            raise LeftAtBoundary

    def _on_step(self) -> bool:
        return True
