"""SUMO's drivers: the parameters of its car-following model, and where each value comes from.

Two of them are calibrated, `tau` and `startupDelay`, so that a queue discharges as in this project's model: its
saturation flow and its start-up lost time. `calibration.py` measures both in both simulators, on a queue that never
ends and without any delay; `make prove-sumo` measures them again before it compares delays.

Source: https://sumo.dlr.de/docs/Definition_of_Vehicles%2C_Vehicle_Types%2C_and_Routes.html (attributes of a vType).
"""

from __future__ import annotations

from dataclasses import dataclass

from validation_ch7.traffic.env.settings import EnvironmentSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Drivers:
    """Parameters of the type of all vehicles; everything else is SUMO's default for its Krauss model.

    Attributes:
        tau_s: Time headway that a driver keeps, in s.
        startup_delay_s: Delay of a driver who has stopped before starting again, in s.
        min_gap_m: Gap to the vehicle in front in a standing queue, in m.
    """

    tau_s: float
    startup_delay_s: float
    min_gap_m: float = 2.5
    yellow_s: float | None = None

    def attributes(self, settings: EnvironmentSettings) -> dict[str, str]:
        """Attributes of the vType.

        A standing vehicle and its gap take `1 / rho_jam`. Vehicles pass in the first `yellow_used_s` of a yellow. The
        driver attribute `w` is given to each vehicle as its own `speedFactor`, so the type has no deviation of it.
        """
        return {
            "carFollowModel": "Krauss",
            "tau": f"{self.tau_s}",
            "startupDelay": f"{self.startup_delay_s}",
            "minGap": f"{self.min_gap_m}",
            "length": f"{1.0 / settings.traffic.rho_jam_veh_m - self.min_gap_m:.4f}",
            **({} if self.yellow_s is None else {"jmDriveAfterYellowTime": f"{self.yellow_s}"}),
            "speedFactor": "1",
            "speedDev": "0",
        }


CALIBRATED = Drivers(tau_s=1.3, startup_delay_s=0.8, yellow_s=1.0)
