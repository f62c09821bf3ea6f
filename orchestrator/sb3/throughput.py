"""Training speed of a session in wall time; only reported, never used by the training."""

from __future__ import annotations

from orchestrator.sb3.training.metadata import mean_episode_reward
from orchestrator.sb3.training.training_state import TrainingState

REPORT_INTERVAL_S = 1.0


class Throughput:
    """Measures the time between safe boundaries.

    Each time is recorded in the deadline as `train`: the longest one is the wait until the next chance to stop.
    """

    def __init__(self, training: TrainingState) -> None:
        self._training = training
        self._monotonic = training.context.monotonic
        self._left_boundary_s: float | None = None
        self._reported_s = self._monotonic()
        self.train_s = 0.0
        training.context.reporter.steps_now = lambda: int(training.model.num_timesteps)

    @property
    def steps_per_s(self) -> float:
        """Environment steps of this session per second of training; 0 before the first."""
        done = self._training.steps - self._training.steps_start
        return done / self.train_s if self.train_s > 0 else 0.0

    def reached_boundary(self) -> None:
        """Record the training time since the last boundary; does nothing before the first."""
        if self._left_boundary_s is None:
            return
        elapsed_s = self._monotonic() - self._left_boundary_s
        self._left_boundary_s = None
        self.train_s += elapsed_s
        self._training.context.deadline.measured("train", elapsed_s)

    def leaves_boundary(self) -> None:
        """Start measuring again; report progress if the last report is `REPORT_INTERVAL_S` old."""
        self._left_boundary_s = self._monotonic()
        if self._left_boundary_s - self._reported_s >= REPORT_INTERVAL_S:
            self._reported_s = self._left_boundary_s
            self.report()

    def report(self, *, last: bool = False) -> None:
        """Report the training's progress."""
        steps, steps_per_s = self._training.steps, self.steps_per_s
        target_steps = self._training.plan.target_steps
        self._training.context.reporter.progress(
            last=last,
            steps=steps,
            target_steps=target_steps,
            steps_per_s=round(steps_per_s, 1),
            eta_s=round(max(0, target_steps - steps) / steps_per_s, 1) if steps_per_s > 0 else None,
            reward_mean=mean_episode_reward(self._training.model),
        )
