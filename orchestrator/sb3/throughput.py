"""How fast a session trains, in wall time; only ever told, never acted on by the training."""

from __future__ import annotations

from orchestrator.sb3.training.metadata import mean_episode_reward
from orchestrator.sb3.training.training_state import TrainingState

REPORT_INTERVAL_S = 1.0


class Throughput:
    """Measures the stretches between safe boundaries.

    Each stretch is told to the deadline as `train`: the longest one is the time to the next chance to leave.
    """

    def __init__(self, training: TrainingState) -> None:
        """Start measuring; nothing is measured before the first boundary is left."""
        self._underway = training
        self._monotonic = training.context.monotonic
        self._left_boundary_s: float | None = None
        self._reported_s = self._monotonic()
        self.train_s = 0.0

    @property
    def steps_per_s(self) -> float:
        """Environment steps of this session per second of training; 0 before the first."""
        done = self._underway.steps - self._underway.steps_start
        return done / self.train_s if self.train_s > 0 else 0.0

    def reached_boundary(self) -> None:
        """The training stands at a boundary."""
        if self._left_boundary_s is None:
            return
        stretch_s = self._monotonic() - self._left_boundary_s
        self._left_boundary_s = None
        self.train_s += stretch_s
        self._underway.context.deadline.measured("train", stretch_s)

    def leaves_boundary(self) -> None:
        """The training goes on; from time to time the session says how far it is."""
        self._left_boundary_s = self._monotonic()
        if self._left_boundary_s - self._reported_s >= REPORT_INTERVAL_S:
            self._reported_s = self._left_boundary_s
            self.report()

    def report(self, *, last: bool = False) -> None:
        """Tell how far the training is."""
        steps, steps_per_s = self._underway.steps, self.steps_per_s
        target_steps = self._underway.plan.target_steps
        self._underway.context.reporter.progress(
            last=last,
            steps=steps,
            target_steps=target_steps,
            steps_per_s=round(steps_per_s, 1),
            eta_s=round(max(0, target_steps - steps) / steps_per_s, 1) if steps_per_s > 0 else None,
            reward_mean=mean_episode_reward(self._underway.model),
        )
