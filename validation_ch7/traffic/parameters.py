"""Parameters of the traffic model and of the crossing, with units and sources, checked when they are made."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Self


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficParameters:
    """One-class Aw-Rascle-Zhang traffic on urban lanes, pressure p(rho) = vf rho / rho_jam.

    The linear pressure gives a capacity of vf rho_jam / 4 = 0.521 veh/s (1875 veh/h), a usual saturation flow
    of a signalised lane, and keeps 0 <= rho <= rho_jam as long as w <= vf.
    Sources: Aw & Rascle, SIAM J. Appl. Math. 60 (2000) 916; Zhang, Transp. Res. B 36 (2002) 275;
    relaxation: Greenberg, SIAM J. Appl. Math. 62 (2001) 729.

    Attributes:
        free_speed_m_s: vf, free speed (50 km/h).
        jam_density_veh_m: rho_jam, vehicles per metre and lane when nothing moves.
        relaxation_s: tau, time in which drivers adapt to the equilibrium speed.
        dx_m: Cell length.
        dt_s: Time step.
    """

    free_speed_m_s: float = 13.89
    jam_density_veh_m: float = 0.15
    relaxation_s: float = 30.0
    dx_m: float = 10.0
    dt_s: float = 0.5

    def __post_init__(self) -> None:
        _require_positive(self)
        # Courant condition: no wave crosses more than one cell in a step. The fastest waves run at vf, forwards
        # as vehicles and backwards as the discharge of a standing queue.
        if self.dt_s * self.free_speed_m_s > self.dx_m:
            raise ValueError(
                f"dt_s {self.dt_s} is too long for dx_m {self.dx_m}: at most {self.dx_m / self.free_speed_m_s:.3f} s"
            )

    @property
    def pressure_slope(self) -> float:
        """K = vf / rho_jam, in m^2/(s veh): p(rho) = K rho."""
        return self.free_speed_m_s / self.jam_density_veh_m


@dataclass(frozen=True, slots=True, kw_only=True)
class CrossingParameters:
    """One signalised crossing: four approaches and four exits of equal length, through traffic, two phases.

    Attributes:
        decision_s: Time between two decisions of a learned policy.
        min_green_s: Least green before a phase may be left.
        change_interval_s: Yellow and all-red between two phases; no approach flows.
        max_green_s: Green after which the phase is left whatever is asked for.
        episode_s: Simulated time of one episode.
        link_m: Length of each approach and each exit.
    """

    decision_s: float = 10.0
    min_green_s: float = 8.0
    change_interval_s: float = 4.0
    max_green_s: float = 120.0
    episode_s: float = 3600.0
    dx_m: float = 10.0
    dt_s: float = 0.5
    link_m: float = 300.0

    def __post_init__(self) -> None:
        _require_positive(self)
        if self.min_green_s > self.max_green_s:
            raise ValueError(f"min_green_s {self.min_green_s} is above max_green_s {self.max_green_s}")
        for name in ("decision_s", "min_green_s", "change_interval_s", "max_green_s"):
            _whole(getattr(self, name), self.dt_s, name, "dt_s")
        _whole(self.episode_s, self.decision_s, "episode_s", "decision_s")
        _whole(self.link_m, self.dx_m, "link_m", "dx_m")

    @classmethod
    def from_mapping(cls, block: Mapping[str, object]) -> Self:
        """Read the section card's environment block.

        Raises:
            ValueError: A key is unknown, or a value is not a number in its range.
        """
        known = {field.name for field in fields(cls)}
        values: dict[str, float] = {}
        for key, value in block.items():
            if key not in known:
                near = difflib.get_close_matches(key, sorted(known), n=1)
                raise ValueError(f"unknown environment key {key!r}" + (f", did you mean {near[0]}?" if near else ""))
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                raise ValueError(f"{key} must be a number, not {value!r}")
            values[key] = float(value)
        return cls(**values)

    @property
    def traffic(self) -> TrafficParameters:
        """The traffic model on this grid."""
        return TrafficParameters(dx_m=self.dx_m, dt_s=self.dt_s)

    @property
    def cells(self) -> int:
        """Cells of one link."""
        return _whole(self.link_m, self.dx_m, "link_m", "dx_m")

    def ticks(self, seconds: float) -> int:
        """Time steps in a duration.

        Raises:
            ValueError: It is not a whole number of time steps.
        """
        return _whole(seconds, self.dt_s, "a duration", "dt_s")


def _require_positive(values: TrafficParameters | CrossingParameters) -> None:
    for field in fields(values):
        value = getattr(values, field.name)
        if not (math.isfinite(value) and value > 0.0):
            raise ValueError(f"{field.name} must be a positive number, not {value!r}")


def _whole(value: float, unit: float, name: str, unit_name: str) -> int:
    count = round(value / unit)
    if count < 1 or abs(count * unit - value) > 1e-9 * value:
        raise ValueError(f"{name} {value} is not a whole multiple of {unit_name} {unit}")
    return count
