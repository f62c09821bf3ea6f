"""Runs scenarios in SUMO: files, arguments, one scenario after another."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.bench.peers.sumo_crossing import CHANGE, GREEN, build_network
from tests.sumo.demand import write_routes
from tests.sumo.drivers import OWN, Drivers
from tests.sumo.process import ENVIRONMENT, SumoProcess
from tests.sumo.simulation import ALL_RED, SumoSimulation
from validation_ch7.traffic.env.settings import EnvironmentSettings
from validation_ch7.traffic.model.demand import Scenario


@dataclass(frozen=True, slots=True, kw_only=True)
class SumoCrossing:
    """The crossing in SUMO.

    Attributes:
        settings: The same crossing in this project's model.
        network: Path of the network.
        folder: Folder for the files of each scenario.
        sumo: The process that simulates.
        drivers: Kind of the drivers.
    """

    settings: EnvironmentSettings
    network: str
    folder: Path
    sumo: SumoProcess
    drivers: Drivers = OWN

    @property
    def trips(self) -> Path:
        """SUMO's record of every vehicle of the last scenario."""
        return self.folder / "trips.xml"

    @contextmanager
    def running(self, scenario: Scenario, *, own_programme: bool = False) -> Iterator[SumoSimulation]:
        """Simulate a scenario; its index is SUMO's seed. Afterwards `trips` is complete."""
        routes = write_routes(self.folder / "routes.xml", scenario, self.settings, self.drivers)
        self.sumo.start(
            [
                *("--net-file", self.network, "--route-files", routes, "--seed", str(scenario.address.index)),
                *("--step-length", str(self.settings.traffic.dt_s), "--time-to-teleport", "-1"),
                *("--tripinfo-output", str(self.trips), "--tripinfo-output.write-unfinished"),
                *("--tripinfo-output.write-undeparted", "--no-step-log", "--no-warnings"),
            ],
            law=self.drivers.law(self.settings),
        )
        yield SumoSimulation(self.settings, scenario, self.sumo, own_programme=own_programme, drivers=self.drivers)
        self.sumo.close()


def build_crossing(
    settings: EnvironmentSettings, folder: Path, sumo: SumoProcess, environment: Path = ENVIRONMENT
) -> SumoCrossing:
    """Build the crossing's network in a folder."""
    traffic = settings.traffic
    network = build_network(
        folder,
        link_m=traffic.link_length_m,
        speed_m_s=traffic.vf_m_s,
        programme=actuated_programme(settings),
        netconvert=environment / "bin" / "netconvert",
    )
    return SumoCrossing(settings=settings, network=network, folder=folder, sumo=sumo)


def actuated_programme(settings: EnvironmentSettings) -> str:
    """SUMO's own actuated control with its default detectors and gap; it runs where nothing else sets the lights."""
    green = f'minDur="{settings.min_green_s}" maxDur="{settings.max_green_s}" duration="{settings.min_green_s}"'
    phases = [
        f'<phase {green} state="{GREEN[phase]}"/><phase duration="{settings.yellow_s}" state="{CHANGE[phase]}"/>'
        f'<phase duration="{settings.all_red_s}" state="{ALL_RED}"/>'
        for phase in (0, 1)
    ]
    return f'<tlLogic id="C" type="actuated" programID="0" offset="0">{"".join(phases)}</tlLogic>'
