"""Traffic, signal and demand together: batch and cuts do not change the outcome, the control does."""

import numpy as np
import numpy.typing as npt
import pytest

from validation_ch7.traffic.env.observation import N_FEATURES, observe
from validation_ch7.traffic.env.settings import EnvironmentSettings
from validation_ch7.traffic.env.simulation import CrossingSimulation
from validation_ch7.traffic.model.demand import ScenarioAddress, Split, draw_scenarios

SETTINGS = EnvironmentSettings(episode_s=600.0)


def simulation(*indices: int) -> CrossingSimulation:
    addresses = [ScenarioAddress(split=Split.TEST, index=index) for index in indices]
    scenarios = draw_scenarios(addresses, episode_s=SETTINGS.episode_s, vf_m_s=SETTINGS.traffic.vf_m_s)
    return CrossingSimulation(SETTINGS, scenarios)


def requests_of(index: int) -> npt.NDArray[np.int64]:
    """Requests of a scenario, independent of its place in a batch."""
    return np.random.default_rng(index).integers(0, 2, 60)


def test_a_scenario_ends_with_the_same_bits_in_every_batch() -> None:
    def run(*indices: int) -> tuple[npt.NDArray[np.float64], list[npt.NDArray[np.float32]]]:
        batch = simulation(*indices)
        seen = []
        for decision in range(60):
            batch.request(np.array([requests_of(index)[decision] for index in indices]))
            batch.advance(20)
            seen.append(observe(batch))
        return batch.traffic.delay_veh_s(), seen

    indices = (4, 0, 9, 2, 7)
    delays, seen = run(*indices)
    for place, index in enumerate(indices):
        delay, alone = run(index)
        assert delay[0] == delays[place]
        assert all(one[0].tobytes() == all_[place].tobytes() for one, all_ in zip(alone, seen, strict=True))
    assert len(set(delays.tolist())) == len(indices)


def test_arrivals_reach_the_entries_of_their_own_scenario_and_approach() -> None:
    batch = simulation(0, 1, 2)
    batch.advance(1200)
    for place, index in enumerate((0, 1, 2)):
        address = ScenarioAddress(split=Split.TEST, index=index)
        (scenario,) = draw_scenarios([address], episode_s=600.0, vf_m_s=SETTINGS.traffic.vf_m_s)
        arrived = batch.traffic.arrived_veh.reshape(4, 3)[:, place]
        assert arrived == pytest.approx(scenario.arrivals_veh.sum(axis=1), rel=1e-12)


def test_a_cut_within_a_change_interval_does_not_change_the_outcome() -> None:
    straight, cut = simulation(3, 5), simulation(3, 5)
    for batch in (straight, cut):
        batch.advance(24)
        batch.request(np.array([1, 0]))
        batch.advance(3)
    assert cut.signal.change_steps_left.tolist() == [5, 0]
    resumed = simulation(3, 5)
    resumed.set_state(cut.get_state())
    for batch in (straight, resumed):
        batch.advance(500)
    assert resumed.traffic.delay_veh_s().tobytes() == straight.traffic.delay_veh_s().tobytes()
    assert resumed.traffic.rho.tobytes() == straight.traffic.rho.tobytes()
    assert resumed.steps_done == straight.steps_done == 527


def test_another_control_gives_another_outcome() -> None:
    balanced, one_sided = simulation(0, 1), simulation(0, 1)
    for decision in range(60):
        balanced.request(np.full(2, (decision // 3) % 2))
        one_sided.request(np.zeros(2, dtype=np.int64))
        balanced.advance(20)
        one_sided.advance(20)
    assert (one_sided.traffic.delay_veh_s() > 2.0 * balanced.traffic.delay_veh_s()).all()


def test_a_simulation_refuses_steps_after_its_demand() -> None:
    batch = simulation(0)
    batch.advance(1200)
    with pytest.raises(IndexError):
        batch.advance(1)


def test_the_features_equal_the_documented_counts() -> None:
    batch = simulation(0)
    empty = observe(batch)
    assert empty.shape == (1, N_FEATURES) and empty.dtype == np.float32
    assert empty[0].tolist() == [0.0] * 12 + [1.0, 0.0, 0.0]
    rho_jam, vf = SETTINGS.traffic.rho_jam_veh_m, SETTINGS.traffic.vf_m_s
    state = {name: np.asarray(value) for name, value in batch.traffic.get_state().items()}
    state["rho"][0, -10:] = rho_jam  # north: the last 100 m are jammed, 15 vehicles
    state["rho"][1, :20] = 0.015  # south: 3 vehicles further upstream, slowed by a tenth
    state["queue_veh"][2] = 20.0  # east: 20 vehicles before the entry
    state["w"][:] = vf
    batch.traffic.set_state(state)
    batch.signal.phase[0] = 1
    batch.signal.green_steps[0] = 60
    seen = np.expm1(observe(batch)[0, :12].astype(np.float64)).reshape(3, 4) * np.array([[20.0], [15.0], [30.0]])
    assert seen[0] == pytest.approx([15.0, 0.3, 20.0, 0.0], abs=1e-5)
    assert seen[1] == pytest.approx([15.0, 0.0, 0.0, 0.0], abs=1e-5)
    assert seen[2] == pytest.approx([0.0, 3.0, 0.0, 0.0], abs=1e-5)
    assert observe(batch)[0, 12:].tolist() == [0.0, 1.0, 0.5]
