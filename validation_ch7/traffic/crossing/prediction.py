"""Predicts the delay of crossings under candidate plans, from their present state."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from validation_ch7.traffic.crossing.intersection import Intersection
from validation_ch7.traffic.model.arz import Floats
from validation_ch7.traffic.numba_kernel.compile import Counts
from validation_ch7.traffic.numba_kernel.constants import constants_of, in_single_precision
from validation_ch7.traffic.numba_kernel.look_ahead import predict_delays
from validation_ch7.traffic.signal.two_phase import TwoPhaseSignal

# Worlds of one block; the fastest in measurements.
_WIDEST = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class ActuatedRule:
    """Actuated control, as the prediction follows it.

    Attributes:
        decide_every_steps: Steps between two decisions.
        zone_cells: Cells before the stop line in which headways are measured.
        gap_s: Longest headway that extends a green, in s.
        max_green_steps: Longest green while a vehicle waits on red.
    """

    decide_every_steps: int
    zone_cells: int
    gap_s: float
    max_green_steps: int


def predicted_delays(
    traffic: Intersection,
    signal: TwoPhaseSignal,
    *,
    chosen: Counts,
    arrivals_veh: Floats,
    w_in: Floats,
    plans: Counts,
    n_steps: int,
    rule: ActuatedRule,
    pool: ThreadPoolExecutor | None = None,
) -> Floats:
    """Delay of each candidate plan, shape (n, candidates), vehicle-seconds; nothing is changed.

    Args:
        traffic: The traffic now.
        signal: Its signals now.
        chosen: Numbers of the crossings to predict, shape (n,).
        arrivals_veh: Arrivals in each step of the prediction, shape (4, batch), vehicles.
        w_in: Attribute of the arriving drivers, shape (4, batch), m/s.
        plans: Step of each plan's own change, below 0 for none, shape (candidates,); then actuated control decides.
        n_steps: Length of the prediction.
        rule: Actuated control.
        pool: Threads; results do not depend on it.
    """
    delay_veh_s = np.empty((len(chosen), len(plans)))
    now = [traffic.fields[name] for name in ("rho", "w", "queue_veh", "inside")]
    lights = [signal.phase, signal.green_steps, signal.change_steps_left]
    base = [rule.decide_every_steps, rule.zone_cells, rule.gap_s, rule.max_green_steps]
    rest: list[Any] = [arrivals_veh, w_in, plans, n_steps, *base, signal.times.min_green_steps]
    rest += [*signal.times.of_kernel(), _WIDEST]
    constants = in_single_precision(constants_of(traffic.parameters))

    def act(first: int, end: int) -> None:
        part: list[Any] = [*now, *lights, chosen[first:end], *rest, delay_veh_s[first:end], constants]
        predict_delays(*part)

    starts = range(0, len(chosen), max(1, _WIDEST // len(plans)))
    if pool is None or len(starts) < 2:
        act(0, len(chosen))
    else:  # worlds share no data
        list(pool.map(act, starts, [*starts[1:], len(chosen)]))
    return delay_veh_s
