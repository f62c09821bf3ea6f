"""SUMO's drivers: the parameters of its car-following model, and where each value comes from.

Every value is SUMO's default, follows from this project's model, or is calibrated on how a queue that never ends
discharges. `calibration.py` measures that in both simulators, without any delay; every run measures it again.

Source: https://sumo.dlr.de/docs/Definition_of_Vehicles%2C_Vehicle_Types%2C_and_Routes.html (attributes of a vType).
"""

from __future__ import annotations

from collections.abc import Mapping

from validation_ch7.traffic.env.settings import EnvironmentSettings

CALIBRATED: Mapping[str, float] = {"tau": 1.3, "startupDelay": 0.8, "jmDriveAfterYellowTime": 1.0}
"""All in s. `tau` is the headway that a driver keeps, calibrated on the saturation flow. `startupDelay` is the delay of
a driver who starts after a stop, calibrated on the start-up lost time. `jmDriveAfterYellowTime` is the time in which a
driver does not brake for a yellow, calibrated on the used part of the yellow."""

_MIN_GAP_M = 2.5
"""SUMO's default."""


def vehicle_type(settings: EnvironmentSettings) -> dict[str, str]:
    """Attributes of the vType of all vehicles; everything else is the default of SUMO's Krauss model.

    A standing vehicle and its gap take `1 / rho_jam`. The driver attribute `w` is given to each vehicle as its own
    `speedFactor`, so the type has no deviation of it.
    """
    numbers = {
        "minGap": _MIN_GAP_M,
        "length": 1.0 / settings.traffic.rho_jam_veh_m - _MIN_GAP_M,
        "speedFactor": 1.0,
        "speedDev": 0.0,
        **CALIBRATED,
    }
    return {"carFollowModel": "Krauss"} | {name: f"{value:.4g}" for name, value in numbers.items()}
