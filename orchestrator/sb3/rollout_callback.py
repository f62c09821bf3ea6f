"""The safe boundary: between an update and the next rollout a training can be saved or stopped."""

from __future__ import annotations

from collections.abc import Callable

from stable_baselines3.common.callbacks import BaseCallback

from orchestrator.kernel.outcome import LeftTraining


class LeftAtBoundary(LeftTraining):
    """Raised to leave `learn` at a safe boundary.

    Returning False from a callback would instead leave in the middle of a rollout, after an environment step whose
    transition is never stored.
    """


class SafeBoundary(BaseCallback):
    """Calls a function at every safe boundary, and leaves `learn` when it returns True.

    `on_rollout_start` runs after the previous update and draws no random number.

    Args:
        must_leave_after: Evaluates and saves if due; returns whether to leave.
    """

    def __init__(self, must_leave_after: Callable[[], bool]) -> None:
        super().__init__()
        self._must_leave_after = must_leave_after

    def _on_rollout_start(self) -> None:
        if self._must_leave_after():
            raise LeftAtBoundary

    def _on_step(self) -> bool:
        return True
