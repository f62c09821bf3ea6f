"""Exact delay and queue at a fixed-time signal with uniform arrivals.

In a cycle C with effective red r, vehicles arrive at q and leave at the saturation flow s while there is a queue. The
queue grows to q r and is gone after q r / (s - q) of green. Its area, `q r^2 s / (2 (s - q))`, over the q C vehicles
of a cycle is the mean delay. Above capacity, `q > s g / C`, the excess stays and the queue grows without limit.

Sources: Webster, Road Research Technical Paper 39, HMSO 1958 (first term of the delay formula); Lighthill & Whitham,
Proc. R. Soc. A 229:317-345, 1955 (it is exact for kinematic waves, which the model is while every driver has w = vf).
"""

from __future__ import annotations


def uniform_delay_s(*, flow_veh_s: float, saturation_veh_s: float, red_s: float, cycle_s: float) -> float:
    """Mean delay in s per vehicle below capacity: `r^2 / (2 C (1 - q / s))`.

    Raises:
        ValueError: The flow is at or above the capacity `s (1 - r / C)`.
    """
    if flow_veh_s >= capacity_veh_s(saturation_veh_s=saturation_veh_s, red_s=red_s, cycle_s=cycle_s):
        raise ValueError(f"a flow of {flow_veh_s} veh/s is not below the capacity, so its delay grows without limit")
    return red_s**2 / (2.0 * cycle_s * (1.0 - flow_veh_s / saturation_veh_s))


def capacity_veh_s(*, saturation_veh_s: float, red_s: float, cycle_s: float) -> float:
    """Largest flow that passes on average: `s g / C` with `g = C - r`."""
    return saturation_veh_s * (cycle_s - red_s) / cycle_s
