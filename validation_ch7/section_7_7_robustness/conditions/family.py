"""A family of conditions, and a condition: one family at one severity."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from validation_ch7.section_7_6_rl_performance.controllers.interface import Controller, Phases
from validation_ch7.section_7_7_robustness.schema import NOMINAL
from validation_ch7.traffic.env.scenarios import Draw, nominal_scenario
from validation_ch7.traffic.env.sensed import DetectorFaults, SensedSimulation
from validation_ch7.traffic.env.settings import EnvironmentSettings
from validation_ch7.traffic.env.simulation import CrossingSimulation
from validation_ch7.traffic.model.demand import ScenarioAddress

Faults = Callable[[Sequence[ScenarioAddress], EnvironmentSettings], DetectorFaults]
"""The faults of the detectors in the scenarios at these addresses."""

_PURPOSE = 77
"""Of the random numbers of conditions: they are independent of the demand's and of every controller's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """Conditions of one kind. Every severity uses the same random numbers of an address.

    Attributes:
        name: In the card and in tables.
        title: In figures.
        severity: What the severity is, with its unit.
        draw: Severity -> draws a scenario; None for the nominal demand.
        faults: Severity -> faults of the detectors; None for detectors without faults.
    """

    name: str
    title: str
    severity: str
    draw: Callable[[float], Draw] | None = None
    faults: Callable[[float], Faults] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One family at one severity; without a family the nominal condition."""

    family: Family | None = None
    severity: float = 0.0

    @property
    def name(self) -> str:
        """Name of the family."""
        return self.family.name if self.family else NOMINAL

    @property
    def draw(self) -> Draw:
        """Draws the scenario at an address."""
        if self.family is None or self.family.draw is None or not self.severity:
            return nominal_scenario
        return self.family.draw(self.severity)

    def seen_by(self, controller: Controller) -> Controller:
        """The controller, behind the detectors of this condition."""
        if self.family is None or self.family.faults is None or not self.severity:
            return controller
        return SensingController(controller, self.family.faults(self.severity))

    def __str__(self) -> str:
        return f"{self.name} {self.severity:g}" if self.family else NOMINAL


class SensingController:
    """A controller that reads faulty detectors; the signal and the clock are true.

    Args:
        controller: The controller.
        faults: Of the detectors.
    """

    def __init__(self, controller: Controller, faults: Faults) -> None:
        self._controller = controller
        self._faults = faults
        self._addresses: Sequence[ScenarioAddress] = ()
        self._sensed: SensedSimulation | None = None

    @property
    def name(self) -> str:
        """Name of the controller."""
        return self._controller.name

    @property
    def resolution_s(self) -> float:
        """Time between two decisions in s."""
        return self._controller.resolution_s

    def begin(self, addresses: Sequence[ScenarioAddress]) -> None:
        """Reset the controller and the detectors."""
        self._controller.begin(addresses)
        self._addresses, self._sensed = addresses, None

    def decide(self, simulation: CrossingSimulation) -> Phases:
        """Read the detectors, and decide from what they show."""
        if self._sensed is None:
            self._sensed = SensedSimulation(simulation, self._faults(self._addresses, simulation.settings))
        return self._controller.decide(self._sensed.look())


def random_numbers(address: ScenarioAddress, family: str) -> np.random.Generator:
    """The generator of a family at an address; the same for every severity and controller."""
    return address.generator(purpose=_PURPOSE, variant=_VARIANTS[family])


_VARIANTS = {"detector_noise": 0, "detector_dead": 1, "detector_stuck": 2, "lane_blocked": 3}
