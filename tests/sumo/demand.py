"""The demand of a scenario as SUMO's vehicles: the same arrivals in the same ten seconds, with the same drivers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import quoteattr

from tests.bench.peers.sumo_crossing import THROUGH, write_xml
from tests.sumo.drivers import Drivers
from validation_ch7.traffic.env.settings import EnvironmentSettings
from validation_ch7.traffic.model.demand import ARRIVAL_BIN_S, Scenario


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Departure:
    """One vehicle.

    Attributes:
        step: Step at which it arrives at its entry.
        approach: Its approach, 0 to 3: N, S, E, W.
        speed_factor: Its desired speed as a share of the free speed.
    """

    step: int
    approach: int
    speed_factor: float


def departures(scenario: Scenario, settings: EnvironmentSettings, drivers: Drivers) -> list[Departure]:
    """The vehicles of a scenario in the order of their arrival, those of one bin at equal intervals.

    This project's model lets the vehicles of a bin arrive as a constant flow.
    """
    return sorted(_departures(scenario, settings, drivers))


def _departures(scenario: Scenario, settings: EnvironmentSettings, drivers: Drivers) -> Iterator[Departure]:
    bin_steps = settings.steps_in(ARRIVAL_BIN_S)
    for approach, arrivals in enumerate(scenario.arrivals_veh):
        for row, count in enumerate(arrivals):
            factor = drivers.speed_factor(float(scenario.w_in_m_s[approach, row]), settings.traffic)
            for place in range(int(count)):
                step = row * bin_steps + int((place + 0.5) / count * bin_steps)
                yield Departure(step=step, approach=approach, speed_factor=factor)


def write_routes(path: Path, scenario: Scenario, settings: EnvironmentSettings, drivers: Drivers) -> str:
    """Write SUMO's route file of a scenario and return its path."""
    words = " ".join(f"{name}={quoteattr(value)}" for name, value in drivers.vehicle_type(settings).items())
    lines = [f'<vType id="driver" {words}/>']
    lines += [f'<route id="{a}" edges="{a}_in {b}_out"/>' for a, b in THROUGH]
    for number, one in enumerate(departures(scenario, settings, drivers)):
        lines.append(
            f'<vehicle id="{number}" type="driver" route="{THROUGH[one.approach][0]}" departSpeed="max"'
            f' depart="{one.step * settings.traffic.dt_s:.3f}" speedFactor="{one.speed_factor:.5f}"/>'
        )
    return write_xml(path, "routes", lines)
