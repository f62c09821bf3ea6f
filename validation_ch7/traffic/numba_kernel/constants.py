"""The model's constants as a vector for compiled functions, and the index of each."""

from __future__ import annotations

import numpy as np

from validation_ch7.traffic.numba_kernel.compile import Floats
from validation_ch7.traffic.parameters import TrafficParameters

N_APPROACHES = 4
N_LINKS = 2 * N_APPROACHES

# Lower bound of a divisor; a cell with a smaller density is practically empty.
VACUUM_VEH_M = 1e-250

SLOPE, INVERSE_SLOPE, HALF_INVERSE_SLOPE, CELL_RATIO, DT, DX, VF, RELAXATION = range(8)


def constants_of(parameters: TrafficParameters) -> Floats:
    """The vector of constants, shape (8,), in the units of the parameters."""
    constants = np.empty(8)
    constants[SLOPE] = parameters.pressure_slope
    constants[INVERSE_SLOPE] = 1.0 / parameters.pressure_slope
    constants[HALF_INVERSE_SLOPE] = 0.5 / parameters.pressure_slope
    constants[CELL_RATIO] = parameters.cell_ratio
    constants[DT] = parameters.dt_s
    constants[DX] = parameters.dx_m
    constants[VF] = parameters.vf_m_s
    constants[RELAXATION] = parameters.relaxation_factor
    return constants
