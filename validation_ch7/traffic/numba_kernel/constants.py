"""The model's constants as a vector for compiled functions, and the index of each."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from validation_ch7.traffic.numba_kernel.compile import Floats
from validation_ch7.traffic.parameters import TrafficParameters

N_APPROACHES = 4
N_LINKS = 2 * N_APPROACHES

# Lower bound of a divisor; a cell with a smaller density is practically empty. Single precision ends near 1e-38.
VACUUM_VEH_M = 1e-250
_VACUUM_SINGLE_VEH_M = 1e-30

# Zero and the vacuum are constants too: a literal would turn single precision into double.
SLOPE, INVERSE_SLOPE, HALF_INVERSE_SLOPE, CELL_RATIO, DT, DX, VF, RELAXATION, ZERO, VACUUM = range(10)


def constants_of(parameters: TrafficParameters) -> Floats:
    """The vector of constants, shape (10,), in the units of the parameters."""
    constants = np.empty(10)
    constants[SLOPE] = parameters.pressure_slope
    constants[INVERSE_SLOPE] = 1.0 / parameters.pressure_slope
    constants[HALF_INVERSE_SLOPE] = 0.5 / parameters.pressure_slope
    constants[CELL_RATIO] = parameters.cell_ratio
    constants[DT] = parameters.dt_s
    constants[DX] = parameters.dx_m
    constants[VF] = parameters.vf_m_s
    constants[RELAXATION] = parameters.relaxation_factor
    constants[ZERO] = 0.0
    constants[VACUUM] = VACUUM_VEH_M
    return constants


def in_single_precision(constants: Floats) -> npt.NDArray[np.float32]:
    """The same constants for a prediction, which needs half the memory and time in single precision."""
    single = constants.astype(np.float32)
    single[VACUUM] = _VACUUM_SINGLE_VEH_M
    return single
