"""QR-DQN with schedules of the absolute step; a separate module, since only it needs sb3-contrib."""

from __future__ import annotations

from sb3_contrib import QRDQN

from orchestrator.sb3.algorithms.refill_replay import GatheringAnew
from orchestrator.sb3.algorithms.schedules import AbsoluteSteps


class AbsoluteStepQRDQN(GatheringAnew, AbsoluteSteps, QRDQN):
    """QR-DQN with schedules of the absolute step."""
