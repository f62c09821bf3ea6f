"""Predicted delay of candidate plans from the present state of a simulation.

Every candidate holds the green for a time, switches, and then leaves the signal to actuated control; one candidate
leaves it to actuated control at once. The prediction knows the model and its present state, but not the arrivals that
are still to come: it continues the mean of the last minutes.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from validation_ch7.section_7_6_rl_performance.controllers.actuated import ZONE_M
from validation_ch7.section_7_6_rl_performance.controllers.interface import CLASSICAL_RESOLUTION_S
from validation_ch7.traffic.crossing.prediction import predict_delays
from validation_ch7.traffic.crossing.sensing import Flags
from validation_ch7.traffic.env.simulation import CrossingSimulation
from validation_ch7.traffic.model.arz import Floats

_NO_CHANGE = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class LookAhead:
    """What is predicted.

    Attributes:
        gap_s: Longest headway of actuated control, in s.
        max_green_s: Its longest green in s.
        delays_s: Time until the switch of each candidate, in s. The last candidate, which is not listed, has no switch
            of its own: actuated control decides from the start.
        horizon_s: Length of the prediction in s. On 40 tuning scenarios 60, 90, 120 and 180 s gave 3.4, 4.1, 4.4 and
            4.5 % less delay than actuated control; 60 s more in the four hours with most delay, 120 s less.
        memory_s: How far back the mean arrivals go, in s.
        backlog_weight: Cost of the squared vehicles left on each approach at the end, in s/veh: delay beyond the
            horizon.
        fairness_weight: Cost of the squared mean delay of each approach's vehicles within the horizon, times their
            number, in 1/s. The waits of a few vehicles then count more than the same delay spread over many.

    Raises:
        ValueError: A time is not positive, or a delay is negative.
    """

    gap_s: float
    max_green_s: float
    delays_s: tuple[float, ...] = (0.0, 3.0, 6.0, 12.0)
    horizon_s: float = 120.0
    memory_s: float = 240.0
    backlog_weight: float = 0.0
    fairness_weight: float = 0.0

    def __post_init__(self) -> None:
        if min(self.gap_s, self.max_green_s, self.horizon_s, self.memory_s) <= 0.0:
            raise ValueError(f"gap_s, max_green_s, horizon_s and memory_s must be positive, not {self}")
        if not self.delays_s or min(self.delays_s) < 0.0:
            raise ValueError(f"delays_s must hold times of 0 s or more, not {self.delays_s}")

    @property
    def n_candidates(self) -> int:
        """Number of candidates, actuated control included."""
        return len(self.delays_s) + 1


def predicted_delays_veh_s(
    simulation: CrossingSimulation,
    look: LookAhead,
    where: Flags | None = None,
    *,
    pool: ThreadPoolExecutor | None = None,
) -> Floats:
    """Predict the delay within the horizon of candidates, from the present state; the simulation is not changed.

    A value does not depend on what else is predicted.

    Args:
        simulation: The crossings now.
        look: What is predicted.
        where: What to predict, shape (batch,) for crossings, or (batch, candidates); None for all.
        pool: Threads; results do not depend on it.

    Returns:
        Vehicle-seconds, shape (batch, candidates): a column for each of `look.delays_s`, then actuated control. NaN
        where nothing is predicted.
    """
    settings = simulation.settings
    delays_veh_s = np.full((simulation.batch, look.n_candidates), np.nan)
    wanted = np.ones(delays_veh_s.shape, bool)
    if where is not None:
        wanted &= where.reshape(simulation.batch, -1)
    chosen, candidates = np.nonzero(wanted)
    if not len(chosen):
        return delays_veh_s
    arrivals_veh, w_in = simulation.recent_inflow(look.memory_s)
    dx_m = settings.traffic.dx_m
    plans = np.array([*_in_steps(simulation, look.delays_s), _NO_CHANGE], dtype=np.int64)
    delays_veh_s[wanted] = predict_delays(
        simulation.traffic,
        simulation.signal,
        chosen=chosen,
        arrivals_veh=arrivals_veh,
        w_in=w_in,
        plans=plans[candidates],
        n_steps=settings.steps_in(look.horizon_s),
        base=(
            settings.steps_in(CLASSICAL_RESOLUTION_S),
            max(1, round(ZONE_M / dx_m)),
            look.gap_s,
            settings.steps_in(look.max_green_s),
        ),
        backlog_weight=look.backlog_weight,
        fairness_weight=look.fairness_weight,
        pool=pool,
    )
    return delays_veh_s


def _in_steps(simulation: CrossingSimulation, times_s: Sequence[float]) -> list[int]:
    return [simulation.settings.steps_in(time_s) if time_s else 0 for time_s in times_s]
