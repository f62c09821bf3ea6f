"""Detectors with faults: what they show, that nothing else changes, and that every reading is of the same faults."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from validation_ch7.traffic.crossing.intersection import Intersection
from validation_ch7.traffic.crossing.measures import TrafficMeasures
from validation_ch7.traffic.crossing.sensing import MEASURING
from validation_ch7.traffic.env.detectors import exit_veh, near_veh, oncoming_veh_s, standing_veh, upstream_veh
from validation_ch7.traffic.env.observation import observe
from validation_ch7.traffic.env.sensed import DetectorFaults, SensedSimulation
from validation_ch7.traffic.env.settings import EnvironmentSettings
from validation_ch7.traffic.env.simulation import CrossingSimulation
from validation_ch7.traffic.model.demand import ScenarioAddress, Split, draw_scenarios

SETTINGS = EnvironmentSettings(episode_s=600.0)
BATCH, SECONDS = 3, 600
LANES = 8 * BATCH
READINGS: dict[str, Callable[[CrossingSimulation], np.ndarray]] = {
    "standing": standing_veh,
    "near": lambda simulation: near_veh(simulation, 100.0),
    "oncoming": lambda simulation: oncoming_veh_s(simulation, 30.0),
    "upstream": upstream_veh,
}


def simulation_at(seconds: int) -> CrossingSimulation:
    addresses = [ScenarioAddress(split=Split.TEST, index=index) for index in range(BATCH)]
    scenarios = draw_scenarios(addresses, episode_s=SETTINGS.episode_s, vf_m_s=SETTINGS.traffic.vf_m_s)
    simulation = CrossingSimulation(SETTINGS, scenarios)
    simulation.advance(2 * seconds)
    return simulation


def faults(factor: float = 1.0, *, lanes: slice = slice(None), stuck: bool = False) -> DetectorFaults:
    factors, flags = np.ones((LANES, SECONDS)), np.zeros((LANES, SECONDS), bool)
    factors[lanes] = factor
    flags[lanes] = stuck
    return DetectorFaults(factor=factors, stuck=flags)


def test_detectors_without_faults_show_the_truth_bit_for_bit() -> None:
    true = simulation_at(300)
    shown = SensedSimulation(true, faults()).look()
    for name, read in READINGS.items():
        assert np.array_equal(read(shown), read(true)), name
    assert np.array_equal(observe(shown), observe(true))
    assert np.array_equal(exit_veh(shown), exit_veh(true))
    assert shown.signal is true.signal and shown.steps_done == true.steps_done
    assert np.array_equal(shown._arrivals, true._arrivals)


@pytest.mark.parametrize("factor", [0.0, 0.4, 1.7])
def test_a_factor_applies_to_every_count_of_its_lane_and_to_no_other(factor: float) -> None:
    true = simulation_at(400)
    north = slice(0, BATCH)
    shown = SensedSimulation(true, faults(factor, lanes=north)).look()
    for name, read in READINGS.items():
        expected = read(true)
        assert expected[:, 0].min() > 0.0
        expected[:, 0] *= factor
        assert read(shown) == pytest.approx(expected, rel=1e-9, abs=1e-12), name
        assert np.array_equal(read(shown)[:, 1:], expected[:, 1:]), name
    if factor == 0.0:
        assert not observe(shown)[:, [0, 4, 8]].any()


def test_a_state_to_simulate_from_stays_possible() -> None:
    """A model that starts from the shown densities must not leave its region."""
    true = simulation_at(500)
    traffic = SensedSimulation(true, faults(4.0)).look().traffic
    parameters = traffic.parameters
    assert traffic.rho.max() == parameters.rho_jam_veh_m and traffic.w.max() <= parameters.vf_m_s
    assert (traffic.w - parameters.pressure_slope * traffic.rho).min() >= -1e-9


def test_a_stuck_detector_repeats_its_last_reading() -> None:
    true = simulation_at(0)
    flags = np.zeros((LANES, SECONDS), bool)
    flags[:BATCH, 200:400] = True
    sensed = SensedSimulation(true, DetectorFaults(factor=np.ones((LANES, SECONDS)), stuck=flags))
    readings = []
    for _ in range(0, SECONDS, 100):
        readings.append((standing_veh(sensed.look()).copy(), standing_veh(true)))
        true.advance(200)
    for second, (shown, now) in enumerate(readings):
        expected = readings[1][1][:, 0] if second in (2, 3) else now[:, 0]
        assert np.array_equal(shown[:, 0], expected)
        assert np.array_equal(shown[:, 1:], now[:, 1:])


def test_the_true_simulation_does_not_change_when_it_is_read() -> None:
    read, alone = simulation_at(100), simulation_at(100)
    sensed = SensedSimulation(read, faults(0.3))
    for simulation in (read, alone):
        for _ in range(50):
            if simulation is read:
                sensed.look()
            simulation.advance(2)
    before, after = alone.traffic.get_state(), read.traffic.get_state()
    assert all(np.array_equal(before[name], after[name]) for name in before)


def test_the_arrivals_that_a_dead_entry_detector_counts_are_none() -> None:
    true = simulation_at(0)
    factors = np.ones((LANES, SECONDS))
    factors[:BATCH, 100:200] = 0.0
    sensed = SensedSimulation(true, DetectorFaults(factor=factors, stuck=np.zeros((LANES, SECONDS), bool)))
    by_bin = sensed.shown._arrivals
    assert not by_bin[10:20, :, :BATCH].any() and np.array_equal(by_bin[20:], true._arrivals[20:])
    counted = []
    for _ in range(300):
        true.advance(2)
        counted.append(sensed.look().traffic.arrived_veh[:BATCH])
    before, during = (true._arrivals[bins].sum(axis=(0, 1))[:BATCH] * 20 for bins in (slice(10), slice(10, 20)))
    assert during.min() > 0.0
    assert counted[98] == pytest.approx(before, rel=0.2) and counted[198] == pytest.approx(counted[102], rel=1e-12)
    assert sensed.shown.traffic.arrived_veh[BATCH:] == pytest.approx(true.traffic.arrived_veh[BATCH:], rel=1e-12)


def test_every_public_method_is_known_as_measuring_or_not() -> None:
    """A new method that measures must be read through the faults too."""
    simulating = {"advance", "advance_under", "get_state", "set_state"}
    true = {"delay_veh_s", "approach_delay_veh_s"}
    named = {**vars(TrafficMeasures), **vars(Intersection)}
    sums = {name for name in named if name.startswith("total_") or name == "stored_veh"}
    methods = {name for name, value in named.items() if callable(value) and not name.startswith("_")}
    assert methods <= simulating | true | sums | set(MEASURING)
    assert "count_vehicles" in methods
