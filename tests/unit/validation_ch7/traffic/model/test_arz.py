"""The solver against exact solutions, and the check of exact solutions against wrong fluxes."""

import exact_riemann
import numpy as np
import pytest
import road
from hypothesis import given
from hypothesis import strategies as st

from validation_ch7.traffic.model import arz
from validation_ch7.traffic.parameters import TrafficParameters

PARAMETERS = TrafficParameters()
SHARE = st.floats(0.0, 1.0)
# A state within the invariant region: w between vf / 2 and vf, rho between 0 and the density that stops these drivers.
ROADS = st.lists(st.tuples(SHARE, SHARE), min_size=2, max_size=40)


def road_state(cells: list[tuple[float, float]]) -> tuple[road.Floats, road.Floats]:
    w = np.array([[PARAMETERS.vf_m_s * (0.5 + 0.5 * type_share) for type_share, _ in cells]])
    rho = np.array([[fill for _, fill in cells]]) * w / PARAMETERS.pressure_slope
    return rho, w


def test_the_six_riemann_problems_are_solved_correctly() -> None:
    assert road.riemann_failures(arz.godunov_flux) == []


def density_of_the_cell_behind(
    rho: road.Floats, w: road.Floats, v: road.Floats, parameters: TrafficParameters
) -> road.Floats:
    """Uses the density of the cell behind the sending one."""
    return arz.godunov_flux(np.concatenate((rho[:, :1], rho[:, :-1]), axis=1), w, v, parameters)


def downstream_flow(rho: road.Floats, w: road.Floats, v: road.Floats, parameters: TrafficParameters) -> road.Floats:
    """Uses the flow of the receiving cell."""
    rho_right = np.concatenate((rho[:, 1:], rho[:, -1:]), axis=1)
    return rho_right * v


def upstream_flow(rho: road.Floats, w: road.Floats, v: road.Floats, parameters: TrafficParameters) -> road.Floats:
    """Sends `rho v` of the left cell without regard to the room ahead."""
    return rho * arz.speed(rho, w, parameters)


def wrong_sign(rho: road.Floats, w: road.Floats, v: road.Floats, parameters: TrafficParameters) -> road.Floats:
    return -arz.godunov_flux(rho, w, v, parameters)


def attribute_taken_for_speed(
    rho: road.Floats, w: road.Floats, v: road.Floats, parameters: TrafficParameters
) -> road.Floats:
    """Uses w as the speed, the mistake behind mean speeds of 1,000 m/s."""
    return rho * w


def demand_alone(rho: road.Floats, w: road.Floats, v: road.Floats, parameters: TrafficParameters) -> road.Floats:
    return arz.demand(rho, w, parameters)


@pytest.mark.parametrize(
    "flux",
    [
        density_of_the_cell_behind,
        downstream_flow,
        upstream_flow,
        wrong_sign,
        attribute_taken_for_speed,
        demand_alone,
    ],
)
def test_the_riemann_check_detects_a_wrong_flux(flux: road.Flux) -> None:
    assert road.riemann_failures(flux) != []


def test_a_smooth_contact_converges_at_first_order() -> None:
    length_m, time_s, v = 600.0, 20.0, 8.0

    def error(n_cells: int) -> float:
        parameters, n_steps = road.grid(n_cells, length_m, time_s)
        edges = np.linspace(0.0, length_m, n_cells + 1)

        def mean_w(shift_m: float) -> road.Floats:  # exact cell means of a sine shifted by `shift_m`
            phase = 2 * np.pi * (edges - shift_m) / length_m
            return (11.0 - np.diff(np.cos(phase)) / np.diff(phase))[None, :]

        def rho_of(w: road.Floats) -> road.Floats:
            return (w - v) / parameters.pressure_slope

        start = mean_w(0.0)
        rho, _ = road.drive(rho_of(start), start, parameters, n_steps, flux=arz.godunov_flux, ring=True)
        return float(np.abs(rho - rho_of(mean_w(v * time_s))).sum() * parameters.dx_m)

    errors = [error(n_cells) for n_cells in (50, 100, 200, 400)]
    orders = np.log2(np.divide(errors[:-1], errors[1:]))
    assert (orders >= 0.9).all() and (orders <= 1.1).all(), orders


@given(ROADS)
def test_the_closed_form_flux_equals_the_minimum_of_demand_and_supply(cells: list[tuple[float, float]]) -> None:
    rho, w = road_state(cells)
    v = arz.speed(rho, w, PARAMETERS)
    left, right = slice(None, -1), slice(1, None)
    demand = arz.demand(rho[:, left], w[:, left], PARAMETERS)
    supply = arz.supply(w[:, left], v[:, right], PARAMETERS)
    flux = arz.godunov_flux(rho[:, left], w[:, left], v[:, right], PARAMETERS)
    np.testing.assert_allclose(flux, np.minimum(demand, supply), rtol=1e-12, atol=1e-14)


@given(ROADS, st.integers(1, 60))
def test_vehicles_and_attributes_are_conserved_and_stay_in_bounds(
    cells: list[tuple[float, float]], n_steps: int
) -> None:
    rho, w = road_state(cells)
    end_rho, end_w = road.drive(rho, w, PARAMETERS, n_steps, flux=arz.godunov_flux, ring=True)
    assert end_rho.sum() == pytest.approx(rho.sum(), rel=1e-13, abs=1e-15)
    assert (end_rho * end_w).sum() == pytest.approx((rho * w).sum(), rel=1e-12, abs=1e-14)
    assert (end_rho >= 0.0).all() and (end_rho <= PARAMETERS.rho_jam_veh_m * (1 + 1e-12)).all()
    assert (end_w >= w.min() * (1 - 1e-12)).all() and (end_w <= w.max() * (1 + 1e-12)).all()
    speeds = arz.speed(end_rho, end_w, PARAMETERS)
    assert (speeds >= 0.0).all() and (speeds <= PARAMETERS.vf_m_s * (1 + 1e-12)).all()


@pytest.mark.parametrize("fill", [0.0, 0.2, 0.5, 0.9, 1.0])
def test_an_equilibrium_stays_constant(fill: float) -> None:
    rho = np.full((1, 30), fill * PARAMETERS.rho_jam_veh_m)
    w = np.full((1, 30), PARAMETERS.vf_m_s)
    end_rho, end_w = road.drive(rho, w, PARAMETERS, 200, flux=arz.godunov_flux, ring=True)
    np.testing.assert_allclose(end_rho, rho, rtol=1e-13)
    assert (arz.relax(end_w, PARAMETERS) == w).all()


def test_relaxation_is_exact_for_any_step() -> None:
    for dt_s in (0.1, 0.5, 0.7):
        parameters = TrafficParameters(dt_s=dt_s)
        w = np.array([[5.0, 9.0]])
        for _ in range(round(21.0 / dt_s)):
            w = arz.relax(w, parameters)
        expected = 13.89 + (np.array([[5.0, 9.0]]) - 13.89) * np.exp(-21.0 / 30.0)
        np.testing.assert_allclose(w, expected, rtol=1e-12)


def test_capacity_is_a_quarter_of_free_speed_times_jam_density() -> None:
    rho = np.linspace(0.0, 0.15, 301)
    flow = rho * arz.speed(rho, np.full_like(rho, 13.89), PARAMETERS)
    assert flow.max() == pytest.approx(13.89 * 0.15 / 4) == pytest.approx(0.520875)


def test_the_table_has_six_cases() -> None:
    assert len({case.name for case in exact_riemann.CASES}) == 6
