"""The physical and numerical constants of the traffic model, with their units and their limits."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields

from validation_ch7.traffic.parameter_table import number


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficParameters:
    """One-class Aw-Rascle-Zhang traffic on urban lanes, pressure `p(rho) = vf rho / rho_jam`.

    With this pressure and `w <= vf` densities stay in `[0, rho_jam]`, and the equilibrium is `w = vf`.

    Attributes:
        vf_m_s: Free speed in m/s.
        rho_jam_veh_m: Jam density in vehicles per metre and lane.
        tau_s: Relaxation time of drivers towards the equilibrium, in s.
        dx_m: Length of a cell in m.
        dt_s: Time step in s; stable up to `dx / vf` (CFL).
        link_length_m: Length of each approach and of each exit in m; a multiple of `dx_m`.

    Raises:
        ValueError: A value is not a positive number, or the values do not fit together; the message names the field.

    Source:
        Aw & Rascle, SIAM J. Appl. Math. 60(3), 2000; Zhang, Transp. Res. B 36, 2002 (choice of V = vf - p);
        Greenberg, SIAM J. Appl. Math. 62(3), 2001 (relaxation). Sources of the values: `parameters.yaml`.
    """

    vf_m_s: float = number("model", "vf_m_s")
    rho_jam_veh_m: float = number("model", "rho_jam_veh_m")
    tau_s: float = number("model", "tau_s")
    dx_m: float = number("model", "dx_m")
    dt_s: float = number("model", "dt_s")
    link_length_m: float = number("model", "link_length_m")

    def __post_init__(self) -> None:
        for field in fields(self):
            require_positive(field.name, getattr(self, field.name))
        largest_dt_s = self.dx_m / self.vf_m_s
        if self.dt_s > largest_dt_s:
            raise ValueError(f"dt_s is {self.dt_s}, above the CFL limit dx_m / vf_m_s = {largest_dt_s:.4g} s")
        whole_multiple("link_length_m", self.link_length_m, "dx_m", self.dx_m)

    @classmethod
    def from_mapping(cls, block: Mapping[str, object]) -> TrafficParameters:
        """Build from a card's block; missing keys keep their defaults.

        Raises:
            ValueError: A key is unknown, or a value is invalid.
        """
        refuse_unknown_keys(block, {field.name for field in fields(cls)})
        return cls(**{name: require_positive(name, value) for name, value in block.items()})

    def describe(self) -> dict[str, float]:
        """All values by field name, as plain numbers."""
        return {name: float(value) for name, value in asdict(self).items()}

    @property
    def n_cells(self) -> int:
        """Cells of one link."""
        return whole_multiple("link_length_m", self.link_length_m, "dx_m", self.dx_m)

    @property
    def pressure_slope(self) -> float:
        """`K = vf / rho_jam` in m2/(veh s): the pressure is `p(rho) = K rho`."""
        return self.vf_m_s / self.rho_jam_veh_m

    @property
    def capacity_veh_s(self) -> float:
        """Greatest flow of a lane in equilibrium, `vf rho_jam / 4`, in veh/s: the saturation flow."""
        return self.vf_m_s * self.rho_jam_veh_m / 4.0

    @property
    def cell_ratio(self) -> float:
        """`dt / dx` in s/m: change of a cell's density per unit of flux in one step."""
        return self.dt_s / self.dx_m

    @property
    def relaxation_factor(self) -> float:
        """Factor of `w - vf` over one step: `exp(-dt / tau)`."""
        return math.exp(-self.dt_s / self.tau_s)


def require_positive(name: str, value: object) -> float:
    """The value as a float.

    Raises:
        ValueError: It is not a finite number above zero; the message names it.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{name} must be a number, not {value!r}")
    if not math.isfinite(value) or value <= 0:
        raise ValueError(f"{name} must be finite and above zero, not {value!r}")
    return float(value)


def require_not_negative(name: str, value: object) -> float:
    """The value as a float.

    Raises:
        ValueError: It is neither zero nor a finite number above zero; the message names it.
    """
    return 0.0 if value == 0 and not isinstance(value, bool) else require_positive(name, value)


def whole_multiple(name: str, value: float, unit_name: str, unit: float) -> int:
    """The value as a number of units.

    Raises:
        ValueError: It is not a whole number of units, up to rounding.
    """
    count = round(value / unit)
    if count < 1 or abs(count * unit - value) > 1e-9 * value:
        raise ValueError(f"{name} must be a multiple of {unit_name} = {unit}, not {value}")
    return count


def refuse_unknown_keys(block: Mapping[str, object], known: set[str]) -> None:
    """Refuse unknown keys, so that a misspelled key cannot silently keep a default.

    Raises:
        ValueError: A key is unknown; the message names the nearest known key.
    """
    for key in sorted(set(block) - known):
        near = difflib.get_close_matches(key, sorted(known), n=1)
        hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(sorted(known))}"
        raise ValueError(f"unknown key {key!r}; {hint}")
