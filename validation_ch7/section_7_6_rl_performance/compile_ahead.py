"""Compiles the traffic model for this computer, so that the first session does not: `python -m` this module."""

from __future__ import annotations

from validation_ch7.section_7_6_rl_performance.controllers.look_ahead import LookAhead
from validation_ch7.section_7_6_rl_performance.controllers.rollout import RolloutController
from validation_ch7.section_7_6_rl_performance.evaluation.evaluation import evaluate
from validation_ch7.traffic.env.settings import EnvironmentSettings
from validation_ch7.traffic.model.demand import Split


def compile_all() -> None:
    """Simulate a minute with rollout, the only controller that needs every compiled function."""
    environment = {"episode_s": 60.0}
    look = LookAhead(gap_s=2.0, max_green_s=60.0)
    rollout = RolloutController(EnvironmentSettings.from_mapping(environment), look)
    evaluate(rollout, environment=environment, split=Split.TUNING, n_scenarios=1)


if __name__ == "__main__":
    compile_all()
