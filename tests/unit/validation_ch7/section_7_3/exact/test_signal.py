"""The exact delay and capacity of a fixed-time signal."""

import numpy as np
import pytest

from validation_ch7.section_7_3_analytical.exact.signal import capacity_veh_s, uniform_delay_s


@pytest.mark.parametrize(("flow_veh_s", "red_s", "cycle_s"), [(0.1, 30.0, 60.0), (0.2, 34.0, 60.0), (0.05, 45.0, 75.0)])
def test_the_delay_is_the_area_below_the_queue(flow_veh_s: float, red_s: float, cycle_s: float) -> None:
    saturation, step_s = 0.52, 1e-3
    time_s = np.arange(0.0, cycle_s, step_s)
    arrived = flow_veh_s * time_s
    queue = np.where(time_s < red_s, arrived, np.maximum(0.0, arrived - saturation * (time_s - red_s)))
    expected = queue.sum() * step_s / (flow_veh_s * cycle_s)
    found = uniform_delay_s(flow_veh_s=flow_veh_s, saturation_veh_s=saturation, red_s=red_s, cycle_s=cycle_s)
    assert found == pytest.approx(expected, rel=1e-3)


def test_hardly_any_traffic_waits_half_the_red_if_it_meets_it() -> None:
    found = uniform_delay_s(flow_veh_s=1e-9, saturation_veh_s=0.52, red_s=30.0, cycle_s=60.0)
    assert found == pytest.approx(30.0 / 2 * 30.0 / 60.0)


def test_capacity_is_the_share_of_green_and_no_delay_is_given_above_it() -> None:
    capacity = capacity_veh_s(saturation_veh_s=0.52, red_s=30.0, cycle_s=60.0)
    assert capacity == pytest.approx(0.26)
    with pytest.raises(ValueError, match="not below the capacity"):
        uniform_delay_s(flow_veh_s=capacity, saturation_veh_s=0.52, red_s=30.0, cycle_s=60.0)
