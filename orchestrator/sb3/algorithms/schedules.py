"""Learning rate and exploration as functions of the absolute step that the card declares.

Stable-Baselines3 measures progress against the `total_timesteps` of one `learn` call, so a higher target, or a run
cut into sessions, would change every schedule. Here progress is measured against a horizon that belongs to the
lineage. The schedules remain Stable-Baselines3's `LinearSchedule`, so that a saved model loads without this project.

A schedule over the whole training, such as `lin_3e-4`, ends at the target. The target is then part of a checkpoint's
identity, and a resume with another one is `statistical`.
"""

from __future__ import annotations

from stable_baselines3.common.utils import LinearSchedule

from orchestrator.kernel.algorithms.hyperparameters import HyperParameters
from orchestrator.kernel.algorithms.plans import LinearPlan, Rate, linear_start


def horizon_of(wanted: HyperParameters, target_steps: int | None) -> int:
    """Step at which every schedule has reached its end.

    Args:
        target_steps: Of the whole training; needed for a schedule that spans it.

    Raises:
        ValueError: It is needed, but not given.
    """
    if not wanted.follows_target:
        return wanted.horizon_steps
    if target_steps is None:
        raise ValueError("a schedule spans the whole training, but its target is not given")
    return max(wanted.horizon_steps, target_steps)


def fraction_of(plan: LinearPlan, horizon_steps: int) -> float:
    """Share of the horizon over which a plan's value changes."""
    return plan.over_steps / horizon_steps


def as_schedule(rate: Rate, horizon_steps: int, target_steps: int | None = None) -> LinearSchedule | float:
    """A card's value as Stable-Baselines3's schedule, for progress measured against `horizon_steps`.

    Args:
        rate: A constant, `lin_` and the value at step 0, or a plan.
        target_steps: Where `lin_` ends; default: at the horizon.
    """
    start = linear_start(rate)
    if start is not None:
        return LinearSchedule(start, 0.0, (target_steps or horizon_steps) / horizon_steps)
    if isinstance(rate, LinearPlan):
        return LinearSchedule(rate.start, rate.end, fraction_of(rate, horizon_steps))
    return float(rate)


class AbsoluteSteps:
    """Mixin for an algorithm: progress is measured by the absolute step over `horizon_steps`.

    The remaining progress falls from 1 to 0 over the horizon and below 0 after it, where every schedule is constant.
    """

    horizon_steps: int
    _current_progress_remaining: float

    def _update_current_progress_remaining(self, num_timesteps: int, total_timesteps: int) -> None:
        """Compute the progress from the lineage's steps; the target of this call is ignored."""
        self._current_progress_remaining = 1.0 - float(num_timesteps) / float(self.horizon_steps)
