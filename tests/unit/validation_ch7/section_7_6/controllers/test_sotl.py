"""Self-organizing traffic lights against their rule by hand."""

import numpy as np
import pytest

from validation_ch7.section_7_6_rl_performance.controllers.sotl import SotlController
from validation_ch7.traffic.env.detectors import near_veh
from validation_ch7.traffic.env.settings import EnvironmentSettings
from validation_ch7.traffic.env.simulation import CrossingSimulation
from validation_ch7.traffic.model.demand import Scenario, ScenarioAddress, Split

SETTINGS = EnvironmentSettings(episode_s=600.0)
ADDRESS = ScenarioAddress(split=Split.TUNING, index=0)


def crossing(arrivals_veh: list[float]) -> CrossingSimulation:
    by_bin = np.repeat(np.array(arrivals_veh)[:, None], 60, axis=1)
    w_in = np.full((4, 60), SETTINGS.traffic.vf_m_s)
    return CrossingSimulation(SETTINGS, [Scenario(address=ADDRESS, arrivals_veh=by_bin, w_in_m_s=w_in)])


def test_the_light_changes_when_the_counter_reaches_the_threshold() -> None:
    """Nothing passes on north-south, so no platoon delays the change; the counter is added up here again."""
    controller, batch = SotlController(threshold_veh_s=40.0, platoon_m=10.0), crossing([0.0, 0.0, 2.0, 1.0])
    controller.begin([ADDRESS])
    counted = seconds = 0.0
    while seconds < 200.0:
        counted += near_veh(batch, 80.0)[0, 2:].sum()
        wanted = int(controller.decide(batch)[0])
        assert wanted == int(counted >= 40.0)
        if wanted:
            break
        batch.request(np.array([0]))
        batch.advance(2)
        seconds += 1.0
    assert 15.0 < seconds < 120.0


def test_a_small_platoon_is_kept_together_and_a_large_one_may_be_cut() -> None:
    requests = {"small": 0, "large": 0}
    controller, batch = SotlController(threshold_veh_s=0.1, platoon_m=30.0), crossing([2.5, 2.5, 2.0, 2.0])
    controller.begin([ADDRESS])
    for _ in range(400):
        phase = int(batch.signal.phase[0])
        passing_veh = near_veh(batch, 30.0)[0, 2 * phase : 2 * phase + 2].sum()
        wanted = controller.decide(batch)
        if batch.signal.green_steps[0] >= 12:
            kept = 0.5 <= passing_veh <= 3.0
            counted = controller._counted_veh_s[0] >= 0.1
            assert (wanted[0] != phase) == (counted and not kept)
            requests["small" if kept else "large"] += 1
        batch.request(wanted)
        batch.advance(2)
    assert min(requests.values()) > 5


def test_the_counter_restarts_at_every_change_and_every_beginning() -> None:
    controller, batch = SotlController(threshold_veh_s=1e9, platoon_m=10.0), crossing([1.0, 1.0, 2.0, 2.0])
    controller.begin([ADDRESS])
    for _ in range(60):
        batch.request(controller.decide(batch))
        batch.advance(2)
    assert controller._counted_veh_s[0] > 50.0
    batch.request(np.array([1]))
    controller.decide(batch)
    assert controller._counted_veh_s[0] == near_veh(batch, 80.0)[0, :2].sum()
    controller.begin([ADDRESS, ADDRESS])
    assert controller._counted_veh_s.tolist() == [0.0, 0.0]


@pytest.mark.parametrize(("threshold_veh_s", "platoon_m"), [(0.0, 10.0), (5.0, 0.0), (-1.0, 10.0)])
def test_values_that_are_not_positive_are_refused(threshold_veh_s: float, platoon_m: float) -> None:
    with pytest.raises(ValueError, match="positive"):
        SotlController(threshold_veh_s=threshold_veh_s, platoon_m=platoon_m)
