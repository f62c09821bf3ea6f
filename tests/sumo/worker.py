"""Runs SUMO for another process: one line of JSON in, one line of JSON out. Standard library and libsumo only.

Requests:

* `{"start": [ARGUMENT, ...], "law": LAW}`: start a simulation, with the arguments of `sumo`; the answer is `{}`. With a
  law, each driver wants at most the speed `w - vf_m_s jam_spacing_m / spacing`, where `spacing` is the distance from
  its front to that of the vehicle ahead. `w` begins as the driver's own free speed; of what it lacks of `vf_m_s`, the
  share `kept_share` is left after each step. Null leaves the drivers to SUMO.
* `{"lights": [STATE, ...], "every": N}`: set the lights and advance one step, for each of the states; null leaves the
  signal to its own programme. The answer has a list `snapshots`, one after each N steps. Each has `vehicles`, the
  position (m) and the speed (m/s) of each vehicle on each of eight lanes, and `waiting`, the number of vehicles that
  wait to enter each of the four approaches.
* `{"close": true}`: end the simulation, which also writes its outputs; the answer is `{}`.

The order of approaches is N, S, E, W; lane `4 + i` is the exit that approach `i` leads to. This project's crossing has
no length, so vehicles within SUMO's crossing count as just entering their exit.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from typing import Any, TextIO

import libsumo

SIGNAL = "C"
APPROACHES = ("N_in", "S_in", "E_in", "W_in")
EXITS = ("S_out", "N_out", "W_out", "E_out")
_WITHIN: list[str] = []
"""SUMO's edges within the crossing, by movement."""
_LAW: dict[str, float] = {}
_FREE: dict[str, float] = {}
"""Present free speed of each driver in m/s."""
_SIGHT_M = 700.0
"""Longer than a trip."""
_LEAST_M_S = 0.1
"""SUMO's drivers need a desired speed above 0."""


def act(request: dict[str, Any]) -> dict[str, Any]:
    """Carry out one request and return its answer."""
    if "start" in request:
        libsumo.start(["sumo", *request["start"]])
        _FREE.clear()
        _LAW.clear()
        _LAW.update(request["law"] or {})
        _WITHIN[:] = [link[0][2].rpartition("_")[0] for link in libsumo.trafficlight.getControlledLinks(SIGNAL)]
    elif "close" in request:
        libsumo.close()
    else:
        return {"snapshots": list(_snapshots(request["lights"], request["every"]))}
    return {}


def _snapshots(states: list[str | None], every: int) -> Iterator[dict[str, Any]]:
    for number, lights in enumerate(states, 1):
        if lights is not None:
            libsumo.trafficlight.setRedYellowGreenState(SIGNAL, lights)
        if _LAW:
            _limit_speeds(**_LAW)
        libsumo.simulationStep()
        if number % every == 0:
            yield {"vehicles": [*map(_on, APPROACHES), *map(_on_exit, range(4))], "waiting": _waiting()}


def _limit_speeds(vf_m_s: float, jam_spacing_m: float, kept_share: float) -> None:
    for one in libsumo.vehicle.getIDList():
        free = _FREE.get(one, vf_m_s * libsumo.vehicle.getSpeedFactor(one))
        _FREE[one] = free = vf_m_s - (vf_m_s - free) * kept_share
        ahead = libsumo.vehicle.getLeader(one, _SIGHT_M)
        if ahead and ahead[0]:
            # SUMO's gap leaves out the minimum gap; all vehicles have one length.
            spacing = ahead[1] + libsumo.vehicle.getMinGap(one) + libsumo.vehicle.getLength(one)
            free -= vf_m_s * jam_spacing_m / max(spacing, jam_spacing_m)
        libsumo.vehicle.setMaxSpeed(one, max(free, _LEAST_M_S))


def _on(edge: str) -> list[tuple[float, float]]:
    ids = libsumo.edge.getLastStepVehicleIDs(edge)
    return [(libsumo.vehicle.getLanePosition(one), libsumo.vehicle.getSpeed(one)) for one in ids]


def _on_exit(movement: int) -> list[tuple[float, float]]:
    return [(0.0, speed) for _, speed in _on(_WITHIN[movement])] + _on(EXITS[movement])


def _waiting() -> list[int]:
    return [len(libsumo.edge.getPendingVehicles(edge)) for edge in APPROACHES]


def serve(requests: TextIO, answers: TextIO) -> None:
    """Answer until the requests end."""
    for line in requests:
        print(json.dumps(act(json.loads(line))), file=answers, flush=True)


if __name__ == "__main__":
    # SUMO prints greetings and warnings to standard output; they go to standard error, so that only answers are there.
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as answers:
        os.dup2(2, 1)
        serve(sys.stdin, answers)
