"""QR-DQN with schedules of the absolute step; a room of its own, as only it needs sb3-contrib."""

from __future__ import annotations

from sb3_contrib import QRDQN

from orchestrator.sb3.algorithms.refill_replay import GatheringAnew
from orchestrator.sb3.algorithms.schedules import AbsoluteSteps


class AbsoluteStepQRDQN(GatheringAnew, AbsoluteSteps, QRDQN):
    """QR-DQN whose schedules do not know the target."""
