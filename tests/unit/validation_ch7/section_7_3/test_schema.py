"""The section's own keys: their limits, and that they are those of the traffic model."""

from __future__ import annotations

import dataclasses

import pytest
from made_setting import own_keys

from validation_ch7.section_7_3_analytical import schema
from validation_ch7.section_7_3_analytical.schema import Criteria, Crossing, Study
from validation_ch7.traffic.parameters import TrafficParameters


def test_the_constants_are_the_models() -> None:
    model = TrafficParameters()
    assert (model.vf_m_s, model.link_length_m) == (schema.FREE_SPEED_M_S, schema.LINK_LENGTH_M)


@pytest.mark.parametrize(
    ("dx_m", "dt_s", "message"),
    [
        (10.0, 0.0, "dt_s must be above 0"),
        (float("nan"), 0.5, "dx_m must be above 0"),
        (5.0, 0.5, "CFL"),
        (7.0, 0.5, "300 m must be a multiple of 7"),
        (10.0, 0.3, "1 s must be a multiple of 0.3"),
    ],
)
def test_wrong_cells_and_steps_are_refused(dx_m: float, dt_s: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Crossing(dx_m=dx_m, dt_s=dt_s)


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ({"quick": (64, 128)}, "cells needs full"),
        ({"quick": (64,), "full": (64, 128)}, "cells.quick needs at least two grids"),
        ({"quick": (64, 256), "full": (64, 128)}, "cells.quick needs at least two grids, each with twice"),
        ({"quick": (66, 132), "full": (64, 128)}, "cells.quick must be multiples of 4"),
        ({"quick": (64, 128), "full": (16384, 32768)}, "cells.full must be multiples of 4 within"),
    ],
)
def test_grids_from_which_no_order_can_be_measured_are_refused(cells: dict[str, tuple[int, ...]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Study(cells=cells)


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(Criteria)])
@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf")])
def test_a_limit_that_limits_nothing_is_refused(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=name):
        dataclasses.replace(own_keys().criteria, **{name: value})
