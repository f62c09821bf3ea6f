"""SUMO's drivers, of two kinds: SUMO's own model, and the same with the speed law of this project's model.

Source: https://sumo.dlr.de/docs/Definition_of_Vehicles%2C_Vehicle_Types%2C_and_Routes.html (attributes of a vType).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from validation_ch7.traffic.env.settings import EnvironmentSettings
from validation_ch7.traffic.parameters import TrafficParameters

CALIBRATED: Mapping[str, float] = {"tau": 1.3, "startupDelay": 0.8, "jmDriveAfterYellowTime": 1.0}
"""All in s. `tau` is the headway that a driver keeps, calibrated on the saturation flow. `startupDelay` is the delay of
a driver who starts after a stop, calibrated on the start-up lost time. `jmDriveAfterYellowTime` is the time in which a
driver does not brake for a yellow, calibrated on the used part of the yellow. `calibration.py` measures all three,
without any delay; every run measures them again."""

_MIN_GAP_M = 2.5
"""SUMO's default."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drivers:
    """One kind of drivers. All are of SUMO's default model, Krauss, and a standing vehicle takes `1 / rho_jam`.

    Attributes:
        name: Name in tables.
        chosen: Attributes of the vType that are not SUMO's defaults.
        with_law: Whether they keep to the speed law of this project's model. Then nothing is calibrated: the light is
            shown as open exactly when the model's stop line is, since its lost times are those of its light.
    """

    name: str
    chosen: Mapping[str, float]
    with_law: bool = False

    def vehicle_type(self, settings: EnvironmentSettings) -> dict[str, str]:
        """Attributes of the vType of all vehicles; each vehicle gets a `speedFactor` of its own."""
        numbers = {
            "minGap": _MIN_GAP_M,
            "length": 1.0 / settings.traffic.rho_jam_veh_m - _MIN_GAP_M,
            "speedFactor": 1.0,
            "speedDev": 0.0,
            **self.chosen,
        }
        return {"carFollowModel": "Krauss"} | {name: f"{value:.4g}" for name, value in numbers.items()}

    def law(self, settings: EnvironmentSettings) -> dict[str, float] | None:
        """Numbers of the speed law for `worker.py`; None without it."""
        traffic = settings.traffic
        if not self.with_law:
            return None
        kept = math.exp(-traffic.dt_s / traffic.tau_s)
        return {"vf_m_s": traffic.vf_m_s, "jam_spacing_m": 1.0 / traffic.rho_jam_veh_m, "kept_share": kept}

    def speed_factor(self, w_m_s: float, traffic: TrafficParameters) -> float:
        """Desired speed of a driver with attribute `w` at the entry, as a share of the free speed."""
        return w_m_s / traffic.vf_m_s if self.with_law else constant_speed_factor(w_m_s, traffic)


OWN = Drivers(name="SUMO's own drivers", chosen=CALIBRATED)
WITH_LAW = Drivers(name="drivers with our speed law", chosen={"tau": 0.5, "sigma": 0.0}, with_law=True)
"""The headway is so short, one step, that the speed law alone limits the speed, and no speed is random."""


def constant_speed_factor(w_m_s: float, traffic: TrafficParameters) -> float:
    """The constant speed, as a share of the free speed, at which a free trip takes as long as in this project's model.

    There a driver alone on the road with attribute `w` drives `vf - (vf - w) exp(-t / tau)`. SUMO's drivers do not
    change their desired speed, so they get the mean speed of the trip over approach and exit.
    """
    length_m, vf, tau_s = 2.0 * traffic.link_length_m, traffic.vf_m_s, traffic.tau_s
    trip_s = length_m / vf
    for _ in range(20):  # a contraction: the factor is exp(-t / tau) (vf - w) / vf, below 0.2
        trip_s = (length_m + (vf - w_m_s) * tau_s * (1.0 - math.exp(-trip_s / tau_s))) / vf
    return length_m / trip_s / vf
