"""The section's own keys of its card. Standard library only.

The orchestrator reads this file by its path when it reads the card; the session uses the same classes.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field

FREE_SPEED_M_S, LINK_LENGTH_M = 13.89, 300.0
"""Constants of the traffic model that limit a card's values; a test compares them with the model's own."""

_POSITIVE = {"json_schema": {"exclusiveMinimum": 0}}
_NOT_NEGATIVE = {"json_schema": {"minimum": 0}}
_FEWEST_GRIDS, _FEWEST_CELLS, _MOST_CELLS = 2, 32, 16_384


@dataclass(frozen=True, slots=True, kw_only=True)
class Crossing:
    """Cells and steps of the simulated crossing, those of the section that trains on it: m and s."""

    dx_m: float = field(metadata=_POSITIVE)
    dt_s: float = field(metadata=_POSITIVE)

    def __post_init__(self) -> None:
        faults = [
            f"{name} must be above 0 and finite, not {value}"
            for name, value in asdict(self).items()
            if not 0.0 < value < float("inf")
        ]
        faults = faults or list(self._misfits())
        if faults:
            raise ValueError("\n".join(faults))

    def _misfits(self) -> Iterator[str]:
        largest_dt_s = self.dx_m / FREE_SPEED_M_S
        if self.dt_s > largest_dt_s:
            yield f"dt_s must not exceed dx_m / {FREE_SPEED_M_S} m/s = {largest_dt_s:.4g} s (CFL), not {self.dt_s}"
        for name, whole, part in (("1 s", 1.0, self.dt_s), ("the link length of 300 m", LINK_LENGTH_M, self.dx_m)):
            if round(whole / part) < 1 or abs(round(whole / part) * part - whole) > 1e-9 * whole:
                yield f"{name} must be a multiple of {part}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """How finely the solver is examined.

    Attributes:
        cells: Profile -> cells of the road (640 m) in each grid, ascending, each the double of the one before.
    """

    cells: Mapping[str, tuple[int, ...]]

    def __post_init__(self) -> None:
        faults = [f"cells needs {name}" for name in ("quick", "full") if name not in self.cells]
        for name, grids in self.cells.items():
            doubled = all(b == 2 * a for a, b in itertools.pairwise(grids))
            if len(grids) < _FEWEST_GRIDS or not doubled:
                faults.append(f"cells.{name} needs at least two grids, each with twice the cells of the one before")
            elif grids[0] % 4 or grids[0] < _FEWEST_CELLS or grids[-1] > _MOST_CELLS:
                faults.append(f"cells.{name} must be multiples of 4 within {_FEWEST_CELLS}..{_MOST_CELLS}")
        if faults:
            raise ValueError("\n".join(faults))


@dataclass(frozen=True, slots=True, kw_only=True)
class Criteria:
    """What a correct solver must reach, fixed before the section runs.

    Attributes:
        riemann_max_error_pct: Relative L1 error of `rho` and of `rho w` in each Riemann case on the finest grid.
        riemann_min_order: Order of that error over all grids, in the cases that are not a single shock.
        shock_max_error_cells: L1 error of a single shock on every grid, in cells: how far its front is off.
        smooth_order_tolerance: Distance of the order on smooth solutions from 1, the order of Godunov's scheme.
        equilibrium_max_drift: Change of an equilibrium, relative to jam density and free speed.
        relaxation_max_error: Error of the speed's exponential approach to the equilibrium speed, in free speeds.
        stability_max_growth: Growth of a perturbation; violation of the sub-characteristic condition, in free speeds.
        mass_max_imbalance: Vehicles that appear or vanish, relative to those that arrived or were there.
        bounds_max_excess: Excess over the bounds of density, speed, attribute and queue, relative.
        max_courant: Largest characteristic speed times step over cell length at the crossing (CFL condition).
        webster_max_error_pct: Error of the delay at a fixed-time signal, on the crossing's own cells.
        webster_refined_max_error_pct: The same on cells of a quarter of that length.
        capacity_max_error_pct: Error of the flow that passes a fixed-time signal above capacity.
        growth_max_error_pct: Error of the growth of the queue there.
        kernel_max_difference: Difference between the compiled solver and its reference, in veh/m and m/s.
    """

    riemann_max_error_pct: float = field(metadata=_POSITIVE)
    riemann_min_order: float = field(metadata=_POSITIVE)
    shock_max_error_cells: float = field(metadata=_POSITIVE)
    smooth_order_tolerance: float = field(metadata=_POSITIVE)
    equilibrium_max_drift: float = field(metadata=_POSITIVE)
    relaxation_max_error: float = field(metadata=_POSITIVE)
    stability_max_growth: float = field(metadata=_POSITIVE)
    mass_max_imbalance: float = field(metadata=_POSITIVE)
    bounds_max_excess: float = field(metadata=_POSITIVE)
    max_courant: float = field(metadata=_POSITIVE)
    webster_max_error_pct: float = field(metadata=_POSITIVE)
    webster_refined_max_error_pct: float = field(metadata=_POSITIVE)
    capacity_max_error_pct: float = field(metadata=_POSITIVE)
    growth_max_error_pct: float = field(metadata=_POSITIVE)
    kernel_max_difference: float = field(metadata=_NOT_NEGATIVE)

    def __post_init__(self) -> None:
        faults = [
            f"{name} must be finite and {'not negative' if name == 'kernel_max_difference' else 'above 0'}, not {value}"
            for name, value in asdict(self).items()
            if not (value >= 0.0 if name == "kernel_max_difference" else value > 0.0) or value == float("inf")
        ]
        if faults:
            raise ValueError("\n".join(faults))


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """The section's own keys."""

    environment: Crossing
    study: Study
    criteria: Criteria
