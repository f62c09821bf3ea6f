"""SUMO's drivers: the parameters of its car-following models, and where each value comes from.

Every value is SUMO's default, follows from this project's model, or is calibrated on a measurement without any signal
timing to compare: `calibration.py` measures in both simulators how a queue that never ends discharges, and
`open_road.py` the delay on a road without a signal. Both are measured again by every run.

Source: https://sumo.dlr.de/docs/Definition_of_Vehicles%2C_Vehicle_Types%2C_and_Routes.html (attributes of a vType).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from validation_ch7.traffic.env.settings import EnvironmentSettings

_MIN_GAP_M = 2.5
"""SUMO's default."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drivers:
    """One kind of drivers; what is not named here is SUMO's default.

    Attributes:
        model: SUMO's car-following model.
        tau_s: Time headway that a driver keeps, in s; calibrated on the saturation flow.
        startup_delay_s: Delay of a driver who has stopped before starting again, in s; calibrated on the start-up lost
            time.
        drive_after_yellow_s: Time since the start of a yellow in which a driver does not brake for it, in s; calibrated
            on the used part of the yellow.
        more: Further attributes of the model.
    """

    model: str
    tau_s: float
    startup_delay_s: float
    drive_after_yellow_s: float
    more: Mapping[str, float] = field(default_factory=dict)

    def attributes(self, settings: EnvironmentSettings) -> dict[str, str]:
        """Attributes of the vType.

        A standing vehicle and its gap take `1 / rho_jam`. The driver attribute `w` is given to each vehicle as its own
        `speedFactor`, so the type has no deviation of it.
        """
        numbers = {
            "tau": self.tau_s,
            "startupDelay": self.startup_delay_s,
            "jmDriveAfterYellowTime": self.drive_after_yellow_s,
            "minGap": _MIN_GAP_M,
            "length": 1.0 / settings.traffic.rho_jam_veh_m - _MIN_GAP_M,
            "speedFactor": 1.0,
            "speedDev": 0.0,
            **self.more,
        }
        return {"carFollowModel": self.model} | {name: f"{value:.4g}" for name, value in numbers.items()}


DRIVERS: Mapping[str, Drivers] = {
    "krauss": Drivers(model="Krauss", tau_s=1.3, startup_delay_s=0.8, drive_after_yellow_s=1.0),
    "idm": Drivers(
        model="IDM", tau_s=0.55, startup_delay_s=0.6, drive_after_yellow_s=1.0, more={"delta": 1.0, "accel": 3.0}
    ),
}
"""Krauss is SUMO's default model; its drivers keep their desired speed until they are close to others.

IDM with an exponent `delta` of 1 (default 4) slows down earlier, as this project's model does. A smaller exponent comes
closer still on the open road, but with the same saturation flow it needs a headway below the step of 0.5 s.
"""
