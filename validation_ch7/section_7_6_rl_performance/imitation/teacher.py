"""What a change of the phase saves now, by prediction with the model."""

from __future__ import annotations

from typing import Any

import numpy as np

from validation_ch7.section_7_6_rl_performance.controllers.actuated import ActuatedController
from validation_ch7.section_7_6_rl_performance.controllers.look_ahead import LookAhead, predicted_delays_veh_s
from validation_ch7.traffic.env.settings import EnvironmentSettings
from validation_ch7.traffic.env.simulation import CrossingSimulation
from validation_ch7.traffic.model.arz import Floats


class Teacher:
    """Predicts the delay of a change now and of the best plan that keeps the phase, and subtracts the two.

    Args:
        settings: The crossing; `learning.look_ahead` holds the arguments of `LookAhead`, `every`: each crossing is
            predicted at every so many decisions, the crossings of a batch in turn; and `unit_veh_s` of the results.

    Raises:
        ValueError: The first delay is not 0, there is no other one, or another value is invalid.
    """

    def __init__(self, settings: EnvironmentSettings) -> None:
        given: dict[str, Any] = dict(settings.learning.look_ahead or {})
        if "delays_s" in given:
            given["delays_s"] = tuple(given["delays_s"])
        self._every = int(given.pop("every", 1))
        self._unit_veh_s = float(given.pop("unit_veh_s", 10.0))
        self._look = LookAhead(**given)
        if (
            self._every < 1
            or self._unit_veh_s <= 0.0
            or self._look.delays_s[0] != 0.0
            or not all(self._look.delays_s[1:] or (0.0,))
        ):
            raise ValueError(
                f"look_ahead needs every >= 1, unit_veh_s > 0 and delays_s of 0 and longer times, not {self._look}"
            )
        self._base = ActuatedController(gap_s=self._look.gap_s, max_green_s=self._look.max_green_s)
        self._decision_steps = settings.steps("decision_s")

    def __call__(self, simulation: CrossingSimulation) -> Floats:
        """Delay that a change saves now, shape (batch,), in units of the card; NaN where it is not predicted."""
        signal = simulation.signal
        turn = simulation.steps_done // self._decision_steps + np.arange(simulation.batch)
        where = (signal.green_steps >= signal.times.min_green_steps) & (turn % self._every == 0)
        delays_veh_s = predicted_delays_veh_s(simulation, self._look, where)
        base_keeps = self._base.decide(simulation) == signal.phase
        base_veh_s = np.where(base_keeps, delays_veh_s[:, -1], np.inf)
        kept_veh_s = np.minimum(delays_veh_s[:, 1:-1].min(axis=1), base_veh_s)
        saved: Floats = (kept_veh_s - delays_veh_s[:, 0]) / self._unit_veh_s
        return saved


def teacher_of(settings: EnvironmentSettings) -> Teacher | None:
    """The teacher of a card, None if it does not ask for one."""
    return None if settings.learning.look_ahead is None else Teacher(settings)
