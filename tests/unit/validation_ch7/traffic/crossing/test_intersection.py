"""The crossing: vehicles are conserved, red stops them, green releases them, all waiting counts as delay."""

import numpy as np
import numpy.typing as npt
import pytest

from validation_ch7.traffic.crossing.intersection import Intersection
from validation_ch7.traffic.model.batching import WIDEST
from validation_ch7.traffic.parameters import TrafficParameters

PARAMETERS = TrafficParameters()
VF = PARAMETERS.vf_m_s
CAPACITY_VEH_S = VF * PARAMETERS.rho_jam_veh_m / 4
OPEN, CLOSED = np.ones(4), np.zeros(4)


def run(
    crossing: Intersection, duration_s: float, *, gate: npt.NDArray[np.float64], veh_s: float, w: float = VF
) -> None:
    lanes = 4 * crossing.batch
    dt_s = crossing.parameters.dt_s
    for _ in range(round(duration_s / dt_s)):
        crossing.advance(gate, np.full(lanes, veh_s * dt_s), np.full(lanes, w))


def erratic_hour(crossing: Intersection, seed: int) -> None:
    """Simulate an hour with random arrivals, driver types and lights, partly far beyond capacity."""
    generator = np.random.default_rng(seed)
    lanes = 4 * crossing.batch
    delay = crossing.delay_veh_s()
    for _ in range(120):
        gate = generator.integers(0, 2, lanes).astype(np.float64)
        inflow = generator.uniform(0.0, 0.8, lanes) * crossing.parameters.dt_s
        w_in = VF * generator.uniform(0.8, 1.0, lanes)
        for _ in range(60):
            crossing.advance(gate, inflow, w_in)
            assert (crossing.rho >= 0.0).all()
            assert (crossing.rho <= PARAMETERS.rho_jam_veh_m * (1 + 1e-12)).all()
            assert (crossing.w >= 0.8 * VF * (1 - 1e-12)).all() and (crossing.w <= VF * (1 + 1e-12)).all()
            assert (crossing.queue_veh >= 0.0).all()
            delay, before = crossing.delay_veh_s(), delay
            assert (delay >= before * (1 - 1e-12)).all()


def test_vehicles_are_conserved_to_rounding_and_states_stay_in_bounds() -> None:
    crossing = Intersection(PARAMETERS, batch=2)
    erratic_hour(crossing, seed=1)
    arrived = crossing.total_arrived_veh()
    balance = arrived - crossing.total_served_veh() - crossing.stored_veh()
    assert (arrived > 1000).all() and (crossing.total_served_veh() > 500).all()
    assert (np.abs(balance) <= 1e-12 * arrived).all()


def test_no_vehicle_passes_a_red_light() -> None:
    crossing = Intersection(PARAMETERS, batch=1)
    run(crossing, 300.0, gate=CLOSED, veh_s=0.3)
    assert crossing.total_served_veh()[0] == 0.0
    assert (crossing.rho[4:] == 0.0).all()
    assert crossing.rho[:4, -1] == pytest.approx(PARAMETERS.rho_jam_veh_m, rel=1e-6)
    assert crossing.stored_veh()[0] == pytest.approx(4 * 0.3 * 300.0)


def test_a_queue_before_the_entry_counts_as_delay() -> None:
    crossing = Intersection(PARAMETERS, batch=1)
    run(crossing, 300.0, gate=CLOSED, veh_s=0.3)  # 90 vehicles per approach, 45 of which fit on the link
    assert crossing.queue_veh == pytest.approx(45.0, abs=0.5)
    before = crossing.delay_veh_s()[0]
    run(crossing, 10.0, gate=CLOSED, veh_s=0.0)
    assert crossing.delay_veh_s()[0] - before == pytest.approx(4 * 90.0 * 10.0, rel=1e-3)
    assert crossing.approach_delay_veh_s()[0] == crossing.delay_veh_s()[0]


def test_green_releases_a_queue_at_capacity() -> None:
    crossing = Intersection(PARAMETERS, batch=1)
    run(crossing, 300.0, gate=CLOSED, veh_s=0.3)
    stored_before = crossing.rho[:4].sum(axis=1) * PARAMETERS.dx_m + crossing.queue_veh
    run(crossing, 40.0, gate=OPEN, veh_s=0.0)
    released = stored_before - crossing.rho[:4].sum(axis=1) * PARAMETERS.dx_m - crossing.queue_veh
    assert released == pytest.approx(CAPACITY_VEH_S * 40.0, rel=0.02)


def test_only_approaches_with_green_have_flow() -> None:
    crossing = Intersection(PARAMETERS, batch=1)
    run(crossing, 200.0, gate=np.array([1.0, 0.0, 0.0, 1.0]), veh_s=0.2)
    assert (crossing.served_veh > 0.0).tolist() == [True, False, False, True]


def test_a_full_exit_blocks_its_approach_at_green() -> None:
    crossing = Intersection(PARAMETERS, batch=1)
    run(crossing, 60.0, gate=OPEN, veh_s=0.2)
    state = {name: np.asarray(value) for name, value in crossing.get_state().items()}
    state["rho"][4] = state["w"][4] / PARAMETERS.pressure_slope  # the exit of the northern approach is jammed
    crossing.set_state(state)
    inside_before = crossing.rho[:4].sum(axis=1)
    crossing.advance(OPEN, np.zeros(4), np.full(4, VF))
    released = inside_before - crossing.rho[:4].sum(axis=1)
    assert released[0] == 0.0 and (released[1:] > 0.0).all()


def test_a_vehicle_in_free_flow_covers_600_m_without_delay() -> None:
    crossing = Intersection(PARAMETERS, batch=1)
    run(crossing, 100.0, gate=OPEN, veh_s=1e-7)
    run(crossing, 400.0, gate=OPEN, veh_s=0.0)
    served = crossing.total_served_veh()[0]
    assert served == pytest.approx(4e-5, rel=1e-9)
    assert crossing.total_distance_veh_m()[0] == pytest.approx(600.0 * served, rel=1e-9)
    assert crossing.delay_veh_s()[0] / served == pytest.approx(0.0, abs=1e-3)


def test_drivers_keep_their_type_across_the_stop_line() -> None:
    crossing = Intersection(TrafficParameters(tau_s=1e9), batch=1)
    run(crossing, 400.0, gate=OPEN, veh_s=0.1, w=0.8 * VF)
    assert crossing.w == pytest.approx(0.8 * VF, rel=1e-6)


def test_a_scenario_has_the_same_bits_alone_and_in_any_batch() -> None:
    n_scenarios, n_steps = 7, 400
    generator = np.random.default_rng(5)
    gates = generator.integers(0, 2, (n_steps // 20, 4, n_scenarios)).astype(np.float64)
    inflow = generator.uniform(0.0, 0.6, (n_steps // 20, 4, n_scenarios))
    w_in = VF * generator.uniform(0.8, 1.0, (n_steps // 20, 4, n_scenarios))

    def results(members: list[int], widest: int = WIDEST) -> dict[str, npt.NDArray[np.float64]]:
        crossing = Intersection(PARAMETERS, batch=len(members), widest_block=widest)
        for step in range(n_steps):
            row = step // 20
            crossing.advance(*(block[row][:, members].ravel() for block in (gates, inflow, w_in)))
        state = {name: np.asarray(value) for name, value in crossing.get_state().items()}
        by_link = {name: value.reshape(-1, len(members), *value.shape[1:]) for name, value in state.items()}
        return by_link | {"delay": crossing.delay_veh_s()[None], "stored": crossing.stored_veh()[None]}

    together = results(list(range(n_scenarios)))
    shuffled = results([6, 2, 4])
    for member in range(n_scenarios):
        alone = results([member])
        for name, value in alone.items():
            assert value[:, 0].tobytes() == np.ascontiguousarray(together[name][:, member]).tobytes(), name
    for widest in (1, 2, 3):  # the memory layout of the batch does not matter either
        for name, value in results(list(range(n_scenarios)), widest).items():
            assert value.tobytes() == together[name].tobytes(), (widest, name)
    for name, value in shuffled.items():
        assert (value == together[name][:, [6, 2, 4]]).all(), name


def test_a_state_is_complete_and_shares_no_memory() -> None:
    first = Intersection(PARAMETERS, batch=2)
    erratic_hour(first, seed=2)
    state = first.get_state()
    second = Intersection(PARAMETERS, batch=2)
    second.set_state(state)
    erratic_hour(first, seed=3)
    erratic_hour(second, seed=3)
    for name, value in first.get_state().items():
        assert np.array_equal(np.asarray(value), np.asarray(second.get_state()[name])), name
    third = Intersection(PARAMETERS, batch=2)
    third.set_state(state)  # neither of the two runs above has changed it
    assert np.array_equal(third.rho, np.asarray(state["rho"]))
    assert not np.array_equal(third.rho, second.rho)


@pytest.mark.parametrize("flaw", ["missing", "extra", "shape", "dtype", "not an array"])
def test_a_state_that_does_not_fit_is_refused(flaw: str) -> None:
    state = Intersection(PARAMETERS, batch=2).get_state()
    if flaw == "missing":
        del state["w"]
    elif flaw == "extra":
        state["speed"] = np.zeros(3)
    elif flaw == "shape":
        state = Intersection(PARAMETERS, batch=3).get_state()
    elif flaw == "dtype":
        state["rho"] = np.asarray(state["rho"], dtype=np.float32)
    else:
        state["queue_veh"] = [0.0] * 8
    with pytest.raises(ValueError, match="state"):
        Intersection(PARAMETERS, batch=2).set_state(state)
