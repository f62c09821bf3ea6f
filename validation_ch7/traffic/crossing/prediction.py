"""Predicts the delay of crossings under candidate plans, from their present state."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from validation_ch7.traffic.crossing.intersection import Intersection
from validation_ch7.traffic.model.arz import Floats
from validation_ch7.traffic.numba_kernel import look_ahead
from validation_ch7.traffic.numba_kernel.compile import Counts
from validation_ch7.traffic.numba_kernel.constants import constants_of, in_single_precision
from validation_ch7.traffic.signal.two_phase import TwoPhaseSignal

# Worlds of one block of a prediction; the fastest in measurements.
_WIDEST = 96


def predict_delays(
    traffic: Intersection,
    signal: TwoPhaseSignal,
    *,
    chosen: Counts,
    arrivals_veh: Floats,
    w_in: Floats,
    plans: Counts,
    n_steps: int,
    base: tuple[int, int, float, int],
    backlog_weight: float = 0.0,
    fairness_weight: float = 0.0,
    pool: ThreadPoolExecutor | None = None,
) -> Floats:
    """Delay of crossings under a plan each, from the present state, shape (n,), vehicle-seconds.

    Args:
        traffic: The traffic of the batch; not changed.
        signal: The signals of the batch.
        chosen: Number of the crossing in each prediction, shape (n,).
        arrivals_veh: Arrivals in each step of the prediction, shape (4, batch), vehicles.
        w_in: Attribute of the arriving drivers, shape (4, batch), m/s.
        plans: Step of each plan's own change, below 0 for none, shape (n,).
        n_steps: Length of the prediction.
        base: Of actuated control: steps between two decisions, cells of its zone, longest headway in s, longest green
            in steps.
        backlog_weight: Cost of the squared vehicles left on each approach at the end, in s/veh.
        fairness_weight: Cost of the squared mean delay of each approach, times its vehicles, in 1/s.
        pool: Threads; results do not depend on it.
    """
    delay_veh_s = np.empty(len(chosen))
    now = [traffic._fields[name] for name in ("rho", "w", "queue_veh", "inside")]
    lights = [signal.phase, signal.green_steps, signal.change_steps_left]
    demand = [arrivals_veh, w_in]
    times = [signal.times.min_green_steps, *signal.times.of_kernel()]
    single = in_single_precision(constants_of(traffic.parameters))

    def act(first: int, end: int) -> None:
        part: list[Any] = [*now, *lights, chosen[first:end], plans[first:end], *demand, n_steps, *base, *times]
        part += [_WIDEST, backlog_weight, fairness_weight, delay_veh_s[first:end], single]
        look_ahead.predict_delays(*part)

    # Parts of about the same size, mostly an even number of them: two threads end together.
    parts = 2 * math.ceil(len(chosen) / (2 * _WIDEST))
    each = math.ceil(len(chosen) / parts)
    starts = range(0, len(chosen), each)
    if pool is None or len(starts) < 2:
        act(0, len(chosen))
    else:  # worlds share no data
        list(pool.map(act, starts, [*starts[1:], len(chosen)]))
    return delay_veh_s
