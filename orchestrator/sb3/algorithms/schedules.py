"""Learning rate and exploration as functions of the absolute step that the card declares.

Stable-Baselines3 measures progress against the `total_timesteps` of one `learn` call, so that raising the
target, or cutting a run into sessions, bends every schedule. Here progress is measured against a horizon that
belongs to the lineage. The schedules themselves stay Stable-Baselines3's own `LinearSchedule`: a saved model
refers to no module of this project and loads wherever Stable-Baselines3 does.
"""

from __future__ import annotations

from dataclasses import dataclass

from stable_baselines3 import A2C, DQN, PPO, SAC, TD3
from stable_baselines3.common.utils import LinearSchedule

from orchestrator.sb3.algorithms.action_noise import KeptNoise
from orchestrator.sb3.algorithms.refill_replay import GatheringAnew


@dataclass(frozen=True, slots=True, kw_only=True)
class LinearPlan:
    """A value that goes in a straight line from `start` to `end`, then stays.

    Attributes:
        start: Value at step 0.
        end: Value from `over_steps` on.
        over_steps: Environment steps, summed over environments.
    """

    start: float
    end: float
    over_steps: int

    def __post_init__(self) -> None:
        """Refuse a plan that takes no time.

        Raises:
            ValueError: `over_steps` is not positive.
        """
        if self.over_steps <= 0:
            raise ValueError(f"a schedule goes over a positive number of steps, not {self.over_steps}")

    def fraction_of(self, horizon_steps: int) -> float:
        """Share of the horizon over which the value moves."""
        return self.over_steps / horizon_steps

    def as_schedule(self, horizon_steps: int) -> LinearSchedule:
        """The plan in Stable-Baselines3's words, for a progress measured against `horizon_steps`."""
        return LinearSchedule(self.start, self.end, self.fraction_of(horizon_steps))


def common_horizon_steps(*plans: LinearPlan) -> int:
    """The step at which the last plan has come to rest: the horizon against which progress is measured."""
    return max(plan.over_steps for plan in plans)


class AbsoluteSteps:
    """Mixed in before an algorithm: its progress is the absolute step over `horizon_steps`.

    Progress falls from 1 to 0 over the horizon and goes on below 0 after it, where every plan rests.
    """

    horizon_steps: int
    _current_progress_remaining: float

    def _update_current_progress_remaining(self, num_timesteps: int, total_timesteps: int) -> None:
        """Ignore the target of this call: what matters is how far the lineage is."""
        self._current_progress_remaining = 1.0 - float(num_timesteps) / float(self.horizon_steps)


class AbsoluteStepDQN(GatheringAnew, AbsoluteSteps, DQN):
    """DQN whose schedules do not know the target."""


class AbsoluteStepPPO(AbsoluteSteps, PPO):
    """PPO whose schedules do not know the target."""


class AbsoluteStepA2C(AbsoluteSteps, A2C):
    """A2C whose schedules do not know the target."""


class AbsoluteStepSAC(GatheringAnew, AbsoluteSteps, SAC):
    """SAC whose schedules do not know the target."""


class AbsoluteStepTD3(KeptNoise, GatheringAnew, AbsoluteSteps, TD3):
    """TD3 whose schedules do not know the target, and whose noise does not begin anew with a session."""
