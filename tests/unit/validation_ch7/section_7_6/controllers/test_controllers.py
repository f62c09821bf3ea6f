"""Each controller requests the phases that its name promises."""

import numpy as np
import numpy.typing as npt
import pytest

from validation_ch7.section_7_6_rl_performance.controllers.fixed_time import FixedTimeController
from validation_ch7.section_7_6_rl_performance.controllers.interface import Controller
from validation_ch7.section_7_6_rl_performance.controllers.policy import PolicyController
from validation_ch7.section_7_6_rl_performance.controllers.trivial import ConstantController, RandomController
from validation_ch7.traffic.env.settings import EnvironmentSettings
from validation_ch7.traffic.env.simulation import CrossingSimulation
from validation_ch7.traffic.model.demand import ScenarioAddress, Split, draw_scenarios

SETTINGS = EnvironmentSettings(episode_s=600.0)


def addresses(*indices: int) -> list[ScenarioAddress]:
    return [ScenarioAddress(split=Split.TUNING, index=index) for index in indices]


def simulation(*indices: int) -> CrossingSimulation:
    scenarios = draw_scenarios(addresses(*indices), episode_s=600.0, vf_m_s=SETTINGS.traffic.vf_m_s)
    return CrossingSimulation(SETTINGS, scenarios)


def gates_over_time(controller: Controller, duration_s: int) -> npt.NDArray[np.float64]:
    """Gates of the four stop lines for each second, shape (duration_s, 4), of one crossing under a controller."""
    batch = simulation(0)
    controller.begin(addresses(0))
    rows = []
    for second in range(duration_s):
        if second % controller.resolution_s == 0:
            batch.request(controller.decide(batch))
        rows.append(batch.signal.gate())
        batch.advance(2)
    return np.array(rows)


def test_a_fixed_plan_repeats_its_greens_to_the_second() -> None:
    gates = gates_over_time(FixedTimeController(20, 12), 120)
    cycle = [[1, 1, 0, 0]] * 20 + [[0] * 4] * 4 + [[0, 0, 1, 1]] * 12 + [[0] * 4] * 4
    # Used yellow and start-up loss shift the open gates by 2 s and change nothing else.
    assert gates.tolist() == ([[0] * 4] * 2 + cycle * 3)[:120]


@pytest.mark.parametrize("green_s", [0.0, -5.0, 12.5])
def test_a_plan_without_whole_greens_is_refused(green_s: float) -> None:
    with pytest.raises(ValueError, match="green"):
        FixedTimeController(20.0, green_s)


@pytest.mark.parametrize(("phase", "name"), [(0, "constant_ns"), (1, "constant_ew")])
def test_a_constant_controller_yields_only_to_the_maximum_green(phase: int, name: str) -> None:
    controller = ConstantController(phase)
    assert controller.name == name
    gates = gates_over_time(controller, 600)
    own_green, other_green = gates[:, 2 * phase].sum(), gates[:, 2 - 2 * phase].sum()
    assert 0 < other_green < 0.2 * own_green


def test_a_constant_phase_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="phase"):
        ConstantController(2)


def requests_of(controller: Controller, *indices: int) -> npt.NDArray[np.int64]:
    batch = simulation(*indices)
    controller.begin(addresses(*indices))
    return np.array([controller.decide(batch) for _ in range(200)])


def test_random_requests_depend_on_the_scenario_and_not_on_its_place_in_the_batch() -> None:
    controller = RandomController(seed=3)
    together = requests_of(controller, 5, 1, 8)
    assert (requests_of(controller, 8, 5) == together[:, [2, 0]]).all()
    assert (requests_of(controller, 5, 1, 8) == together).all()  # `begin` restarts the sequence
    assert (requests_of(RandomController(seed=4), 5, 1, 8) != together).any()


def test_random_requests_are_balanced_and_differ_between_scenarios() -> None:
    requests = requests_of(RandomController(seed=0), *range(20))
    assert requests.mean() == pytest.approx(0.5, abs=0.04)
    assert len({column.tobytes() for column in requests.T}) == 20


@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.uint8])
def test_a_policy_gets_fifteen_features_and_its_actions_are_requested(dtype: type[np.integer]) -> None:
    seen: list[npt.NDArray[np.float32]] = []

    def predict(observations: npt.NDArray[np.float32]) -> npt.NDArray[np.integer]:
        seen.append(observations)
        return np.array([1, 0, 1], dtype=dtype)

    controller = PolicyController(predict, 10.0)
    assert requests_of(controller, 0, 1, 2)[0].tolist() == [1, 0, 1]
    assert seen[0].shape == (3, 15) and seen[0].dtype == np.float32
    assert controller.name == "rl" and controller.resolution_s == 10.0
