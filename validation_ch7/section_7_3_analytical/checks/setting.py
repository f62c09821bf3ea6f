"""What every check is given."""

from __future__ import annotations

from dataclasses import dataclass

from validation_ch7.section_7_3_analytical.exact.law import Law
from validation_ch7.section_7_3_analytical.road.kernel import kernel_road
from validation_ch7.section_7_3_analytical.road.problem import Solver
from validation_ch7.section_7_3_analytical.road.reference import reference_road
from validation_ch7.section_7_3_analytical.schema import Criteria
from validation_ch7.traffic.env.settings import EnvironmentSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """The solver, the crossing, the grids and the criteria.

    Attributes:
        crossing: The crossing on the card's cells.
        cells: Cells of the road in each grid, ascending.
        hours: Hours of random demand.
        criteria: Of the card.
        solver: The solver that is examined.
        reference: The one that it is compared with bit for bit.
    """

    crossing: EnvironmentSettings
    cells: tuple[int, ...]
    hours: int
    criteria: Criteria
    solver: Solver = kernel_road
    reference: Solver = reference_road

    @property
    def law(self) -> Law:
        """Pressure and equilibrium with the crossing's constants."""
        traffic = self.crossing.traffic
        return Law(vf_m_s=traffic.vf_m_s, rho_jam_veh_m=traffic.rho_jam_veh_m)
