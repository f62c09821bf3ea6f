"""The observation `profile`: what it counts, and that it does not depend on the names of axes and approaches."""

import numpy as np
import numpy.typing as npt
import pytest

from validation_ch7.traffic.env.detectors import standing_veh, upstream_veh
from validation_ch7.traffic.env.profile import N_FEATURES, mirrors, observe_profile
from validation_ch7.traffic.env.senses import SENSES
from validation_ch7.traffic.env.settings import EnvironmentSettings
from validation_ch7.traffic.env.simulation import CrossingSimulation
from validation_ch7.traffic.model.demand import Scenario, ScenarioAddress, Split, draw_scenario

SETTINGS = EnvironmentSettings.from_mapping({"decision_s": 2.0, "learning": {"observation": "profile"}})
PIECES_VEH = np.array([3, 3, 4, 5, 5, 10]) * 10.0 * 0.075


def scenario(order: tuple[int, ...] = (0, 1, 2, 3)) -> Scenario:
    drawn = draw_scenario(ScenarioAddress(split=Split.TRAINING, index=3), episode_s=900.0, vf_m_s=13.89)
    return Scenario(
        address=drawn.address, arrivals_veh=drawn.arrivals_veh[list(order)], w_in_m_s=drawn.w_in_m_s[list(order)]
    )


def seen_under(
    made: Scenario, phases: npt.NDArray[np.int64], first: int = 0
) -> tuple[CrossingSimulation, npt.NDArray[np.float32]]:
    simulation = CrossingSimulation(SETTINGS, [made])
    simulation.signal.phase[:] = first
    for phase in phases:
        simulation.request(np.array([phase]))
        simulation.advance(20)
    return simulation, observe_profile(simulation)[0]


PHASES = np.random.default_rng(0).integers(0, 2, 60)


def test_it_counts_every_vehicle_before_the_stop_lines_once() -> None:
    simulation, seen = seen_under(scenario(), PHASES)
    rows = seen[:-3].reshape(4, 15).astype(float)
    veh = rows[:, :6] @ PIECES_VEH + 10.0 * np.expm1(rows[:, 12])
    standing = rows[:, 6:12] @ PIECES_VEH + 10.0 * np.expm1(rows[:, 12])
    order = np.roll(np.arange(4), -2 * simulation.signal.phase[0])
    assert veh == pytest.approx(upstream_veh(simulation)[0][order], rel=1e-5)
    assert standing == pytest.approx(standing_veh(simulation)[0][order], rel=1e-5)
    assert seen.shape == (N_FEATURES,) and seen.dtype == np.float32 and (seen[:-3] >= 0.0).all()


def test_arrivals_are_those_of_the_last_seconds() -> None:
    simulation, seen = seen_under(scenario(), np.zeros(30, dtype=np.int64))
    bins = scenario().arrivals_veh[:, :30]
    assert seen[:-3].reshape(4, 15)[:, 13] == pytest.approx(bins[:, -4:].mean(axis=1) / 2.5, rel=1e-5)
    assert seen[:-3].reshape(4, 15)[:, 14] == pytest.approx(bins[:, -24:].mean(axis=1) / 2.5, rel=1e-5)
    assert simulation.steps_done == 600


def test_exchanged_axes_look_the_same() -> None:
    for length in (20, 60):  # at the end with green for north-south, and for east-west
        _, seen = seen_under(scenario(), PHASES[:length])
        _, exchanged = seen_under(scenario((2, 3, 0, 1)), 1 - PHASES[:length], first=1)
        assert seen.tobytes() == exchanged.tobytes()


@pytest.mark.parametrize(("number", "order"), list(enumerate([(0, 1, 2, 3), (0, 1, 3, 2), (1, 0, 2, 3), (1, 0, 3, 2)])))
def test_mirrors_describe_the_crossing_with_exchanged_approaches(number: int, order: tuple[int, ...]) -> None:
    phases = np.zeros(20, dtype=np.int64)
    _, seen = seen_under(scenario(), phases)
    _, exchanged = seen_under(scenario(order), phases)
    assert seen[mirrors()[number]].tobytes() == exchanged.tobytes()


def test_its_actions_are_relative_and_those_of_the_detectors_are_phases() -> None:
    simulation = CrossingSimulation(SETTINGS, [scenario(), scenario()])
    simulation.signal.phase[:] = (0, 1)
    assert SENSES["profile"].phases(simulation, np.array([[1], [1]])).tolist() == [1, 0]
    assert SENSES["profile"].phases(simulation, np.array([0, 0])).tolist() == [0, 1]
    assert SENSES["detectors"].phases(simulation, np.array([1, 1])).tolist() == [1, 1]


def test_wrong_blocks_are_refused_by_name() -> None:
    for block, words in (
        ({"observation": "profil"}, "observation must be one of"),
        ({"observe": "profile"}, "unknown key 'observe'"),
        ({"demand": {"peak_veh": [1.0, 2.0]}}, "did you mean peak_veh_h"),
        (3, "learning must be a mapping"),
    ):
        with pytest.raises(ValueError, match=words):
            EnvironmentSettings.from_mapping({"learning": block})
