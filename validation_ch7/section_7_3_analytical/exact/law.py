"""The model's pressure and equilibrium speed, independent of the solver's code, so that an error there is detected.

    p(rho) = vf rho / rho_jam,   V(rho) = vf - p(rho),   w = v + p(rho)

Sources: Aw & Rascle, SIAM J. Appl. Math. 60(3):916-938, 2000 (equations, characteristic speeds); Zhang, Transp. Res.
B 36(3):275-290, 2002 (the choice V = vf - p).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Law:
    """Pressure and equilibrium of the model; densities in veh/m, speeds in m/s, flows in veh/s."""

    vf_m_s: float
    rho_jam_veh_m: float

    def pressure(self, rho: Floats | float) -> Floats:
        """`p(rho)` in m/s."""
        return np.asarray(self.vf_m_s * np.asarray(rho) / self.rho_jam_veh_m)

    def density(self, pressure: Floats | float) -> Floats:
        """The density with this pressure, zero for a negative one: traffic ahead that is too fast leaves a vacuum."""
        return np.asarray(np.maximum(pressure, 0.0) * self.rho_jam_veh_m / self.vf_m_s)

    def equilibrium_speed(self, rho: Floats | float) -> Floats:
        """`V(rho)` in m/s."""
        return self.vf_m_s - self.pressure(rho)

    def slow_speed(self, rho: Floats | float, v: Floats | float) -> Floats:
        """First characteristic speed `v - rho p'(rho)` in m/s; here `rho p' = p`. The second one is `v`."""
        return np.asarray(v) - self.pressure(rho)

    @property
    def capacity_veh_s(self) -> float:
        """Largest equilibrium flow, `max rho V(rho) = vf rho_jam / 4`."""
        return self.vf_m_s * self.rho_jam_veh_m / 4.0

    def free_speed_of_flow(self, flow_veh_s: Floats) -> Floats:
        """Speed of an uncongested equilibrium flow: the larger root of `rho V(rho) = q`, with `rho = q / v`."""
        return np.asarray(0.5 * self.vf_m_s * (1.0 + np.sqrt(1.0 - flow_veh_s / self.capacity_veh_s)))
