"""Delay per vehicle from SUMO's record of all vehicles.

Source: https://sumo.dlr.de/docs/Simulation/Output/TripInfo.html
"""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Trips:
    """Means over all vehicles that arrived, including those still on the road or waiting to enter.

    Attributes:
        vehicles: Their number.
        delay_s: Time on the road beyond free driving at the free speed, and waiting to enter: the measure of this
            project.
        time_loss_s: SUMO's `departDelay + timeLoss`. It leaves out what a driver loses because the own desired speed is
            below the free speed.
    """

    vehicles: int
    delay_s: float
    time_loss_s: float


def read_trips(path: Path, vf_m_s: float) -> Trips:
    """Read a file of `--tripinfo-output`.

    Args:
        path: The file.
        vf_m_s: Free speed in m/s.
    """
    trips = [element.attrib for element in ElementTree.parse(path).getroot().iter("tripinfo")]
    waited = lost = driven = 0.0
    for trip in trips:
        waited += float(trip["departDelay"])
        if float(trip["depart"]) >= 0.0:
            lost += float(trip["timeLoss"])
            driven += float(trip["duration"]) - float(trip["routeLength"]) / vf_m_s
    number = max(1, len(trips))
    return Trips(vehicles=len(trips), delay_s=(waited + driven) / number, time_loss_s=(waited + lost) / number)
