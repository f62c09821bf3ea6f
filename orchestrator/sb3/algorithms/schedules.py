"""Learning rate and exploration as functions of the absolute step that the card declares.

Stable-Baselines3 measures progress against the `total_timesteps` of one `learn` call, so a higher target, or a run
cut into sessions, would change every schedule. Here progress is measured against a horizon that belongs to the
lineage. The schedules remain Stable-Baselines3's `LinearSchedule`, so that a saved model loads without this project.
"""

from __future__ import annotations

from stable_baselines3 import A2C, DQN, PPO, SAC, TD3
from stable_baselines3.common.utils import LinearSchedule

from orchestrator.kernel.algorithms.plans import LinearPlan
from orchestrator.sb3.algorithms.action_noise import KeptNoise
from orchestrator.sb3.algorithms.refill_replay import GatheringAnew


def fraction_of(plan: LinearPlan, horizon_steps: int) -> float:
    """Share of the horizon over which a plan's value changes."""
    return plan.over_steps / horizon_steps


def as_schedule(plan: LinearPlan, horizon_steps: int) -> LinearSchedule:
    """A plan as Stable-Baselines3's schedule, for progress measured against `horizon_steps`."""
    return LinearSchedule(plan.start, plan.end, fraction_of(plan, horizon_steps))


class AbsoluteSteps:
    """Mixin for an algorithm: progress is measured by the absolute step over `horizon_steps`.

    The remaining progress falls from 1 to 0 over the horizon and below 0 after it, where every schedule is constant.
    """

    horizon_steps: int
    _current_progress_remaining: float

    def _update_current_progress_remaining(self, num_timesteps: int, total_timesteps: int) -> None:
        """Compute the progress from the lineage's steps; the target of this call is ignored."""
        self._current_progress_remaining = 1.0 - float(num_timesteps) / float(self.horizon_steps)


class AbsoluteStepDQN(GatheringAnew, AbsoluteSteps, DQN):
    """DQN with schedules of the absolute step."""


class AbsoluteStepPPO(AbsoluteSteps, PPO):
    """PPO with schedules of the absolute step."""


class AbsoluteStepA2C(AbsoluteSteps, A2C):
    """A2C with schedules of the absolute step."""


class AbsoluteStepSAC(GatheringAnew, AbsoluteSteps, SAC):
    """SAC with schedules of the absolute step."""


class AbsoluteStepTD3(KeptNoise, GatheringAnew, AbsoluteSteps, TD3):
    """TD3 with schedules of the absolute step, and with noise that continues across sessions."""
