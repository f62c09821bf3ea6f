"""Delay at a fixed-time signal against the exact formula for uniform arrivals.

Below capacity the mean delay before the stop line is `r^2 / (2 C (1 - q / s))` (Webster 1958, first term; exact
for kinematic waves): red time r, cycle C, flow q, saturation flow s. With `w = vf` everywhere the model is one of
kinematic waves. Tolerances are the scheme's known errors at these cell sizes, rounded up.
"""

from dataclasses import dataclass

import numpy as np
import pytest

from validation_ch7.traffic.crossing.intersection import Intersection
from validation_ch7.traffic.parameters import TrafficParameters


@dataclass(frozen=True)
class Cycle:
    flow_veh_h: float
    green_s: float
    red_s: float
    exact_s: float  # exact value by the formula, checked below
    within_10_m: float
    within_5_m: float
    within_2_5_m: float = 0.001


CYCLES = (
    Cycle(400, 30, 30, 9.5337, 0.005, 0.002),
    Cycle(800, 30, 30, 13.0806, 0.003, 0.001),
    Cycle(600, 20, 40, 19.6071, 0.016, 0.004),
    Cycle(700, 45, 30, 9.5740, 0.003, 0.001),
)
WARM_UP_S, MEASURED_S = 1800.0, 1800.0  # multiples of the cycles of 60 s and of 75 s


def measured_delays_s(dx_m: float, dt_s: float) -> np.ndarray:
    """Delay in s per vehicle for each cycle: time before the stop line with minus without signal, over arrivals."""
    parameters = TrafficParameters(dx_m=dx_m, dt_s=dt_s)
    # Each approach has its own cycle, so one crossing covers all four; the second scenario is always green.
    crossing = Intersection(parameters, batch=2)
    flow_veh_s = np.array([cycle.flow_veh_h / 3600.0 for cycle in CYCLES])
    inflow = np.repeat(flow_veh_s * dt_s, 2)
    w_in = np.full(8, parameters.vf_m_s)
    before = np.zeros(8)
    for step in range(round((WARM_UP_S + MEASURED_S) / dt_s)):
        if step == round(WARM_UP_S / dt_s):
            before = crossing.time_veh_s[:8] + crossing.queue_time_veh_s
        time_s = step * dt_s
        gate = np.ones((4, 2))
        gate[:, 0] = [time_s % (cycle.green_s + cycle.red_s) >= cycle.red_s for cycle in CYCLES]
        crossing.advance(gate.ravel(), inflow, w_in)
    spent = (crossing.time_veh_s[:8] + crossing.queue_time_veh_s - before).reshape(4, 2)
    return (spent[:, 0] - spent[:, 1]) / (flow_veh_s * MEASURED_S)


@pytest.mark.parametrize("cycle", CYCLES, ids=lambda cycle: f"{cycle.flow_veh_h:.0f} veh/h")
def test_the_table_of_exact_delays_equals_the_formula(cycle: Cycle) -> None:
    saturation_veh_h = 13.89 * 0.15 / 4 * 3600.0
    length_s = cycle.green_s + cycle.red_s
    assert cycle.exact_s == pytest.approx(
        cycle.red_s**2 / (2 * length_s * (1 - cycle.flow_veh_h / saturation_veh_h)), abs=1e-4
    )


@pytest.mark.parametrize(("dx_m", "dt_s"), [(10.0, 0.5), (5.0, 0.25), (2.5, 0.125)])
def test_the_signal_delay_equals_the_exact_value(dx_m: float, dt_s: float) -> None:
    delays_s = measured_delays_s(dx_m, dt_s)
    for cycle, delay_s in zip(CYCLES, delays_s, strict=True):
        within = {10.0: cycle.within_10_m, 5.0: cycle.within_5_m, 2.5: cycle.within_2_5_m}[dx_m]
        assert delay_s == pytest.approx(cycle.exact_s, rel=within), cycle
