"""The exact Riemann solution: jump conditions, invariants, limits, conservation, and a second implementation."""

from __future__ import annotations

import itertools

import exact_riemann
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from validation_ch7.section_7_3_analytical.exact.law import Law
from validation_ch7.section_7_3_analytical.exact.riemann import RiemannSolution, State, solve

LAW = Law(vf_m_s=13.89, rho_jam_veh_m=0.15)
SHARE = st.floats(0.0, 1.0)


@st.composite
def states(draw: st.DrawFn) -> State:
    """Any state with w within the free speed."""
    w, fill = LAW.vf_m_s * (0.3 + 0.7 * draw(SHARE)), draw(SHARE)
    rho = fill * float(LAW.density(w))
    return State(rho=rho, v=max(0.0, w - float(LAW.pressure(rho))))


def middle(left: State, right: State) -> State:
    """The state between the waves; where there is a vacuum, with the speed of the first vehicles."""
    v = min(right.v, left.w(LAW))
    return State(rho=float(LAW.density(left.w(LAW) - right.v)), v=v)


@given(states(), states())
def test_a_shock_satisfies_both_jump_conditions(left: State, right: State) -> None:
    behind = middle(left, right)
    if behind.v >= left.v or behind.rho - left.rho < 1e-6:
        return
    s = solve(left, right, LAW).pieces[0].end
    for of_left, of_behind in ((1.0, 1.0), (left.w(LAW), behind.w(LAW))):
        jump = of_behind * behind.rho - of_left * left.rho
        flux_jump = of_behind * behind.rho * behind.v - of_left * left.rho * left.v
        assert s * jump == pytest.approx(flux_jump, abs=1e-9)
    # Lax: characteristics of the first family enter the shock from both sides.
    assert float(LAW.slow_speed(left.rho, left.v)) > s > float(LAW.slow_speed(behind.rho, behind.v))


@given(states(), states())
def test_across_the_contact_the_speed_is_the_same_and_is_the_contacts(left: State, right: State) -> None:
    solution = solve(left, right, LAW)
    contact = solution.pieces[-1].start
    assert contact == right.v
    between = solution.pieces[-2]  # of no width where the left side is empty
    if between.rho_end > 1e-9 and between.end - between.start > 1e-6:
        before, after = solution.at(np.array([contact - 1e-9, contact + 1e-9]))[1]
        assert before == pytest.approx(after, abs=1e-6)


@given(states(), states())
def test_in_a_fan_w_is_constant_and_the_wave_speed_is_x_over_t(left: State, right: State) -> None:
    fans = [piece for piece in solve(left, right, LAW).pieces if piece.rho_start != piece.rho_end]
    if not fans or fans[0].end - fans[0].start < 1e-6:
        return
    xi = np.linspace(fans[0].start, fans[0].end, 11)[1:-1]
    rho, v = solve(left, right, LAW).at(xi)
    np.testing.assert_allclose(LAW.slow_speed(rho, v), xi, atol=1e-9)
    np.testing.assert_allclose(v + LAW.pressure(rho), left.w(LAW), atol=1e-9)


@given(states(), states())
def test_vehicles_and_rho_w_are_conserved_in_a_box(left: State, right: State) -> None:
    half_m, time_s = 300.0, 10.0
    edges_m = np.linspace(-half_m, half_m, 7)
    rho, y = solve(left, right, LAW).means(edges_m, time_s)
    for stored, of_left, of_right in ((rho, 1.0, 1.0), (y, left.w(LAW), right.w(LAW))):
        before = half_m * (of_left * left.rho + of_right * right.rho)
        came = time_s * (of_left * left.rho * left.v - of_right * right.rho * right.v)
        assert float(stored.sum() * 100.0) == pytest.approx(before + came, rel=1e-12, abs=1e-9)


@given(states(), states())
def test_the_solution_has_no_gaps_and_stays_within_bounds(left: State, right: State) -> None:
    pieces = solve(left, right, LAW).pieces
    for one, following in itertools.pairwise(pieces):
        assert one.end == following.start
        assert one.start <= one.end + 1e-9
    densities = [rho for piece in pieces for rho in (piece.rho_start, piece.rho_end)]
    assert min(densities) >= 0.0 and max(densities) <= LAW.rho_jam_veh_m * (1.0 + 1e-12)


@given(states())
def test_equal_states_stay(state: State) -> None:
    rho, v = solve(state, state, LAW).at(np.linspace(-20.0, 20.0, 41))
    np.testing.assert_allclose(rho, state.rho, atol=1e-12)
    np.testing.assert_allclose(v, state.v, atol=1e-9)


def test_much_faster_traffic_ahead_leaves_a_vacuum() -> None:
    left, right = State(rho=0.05, v=3.0), State(rho=0.01, v=12.0)
    assert right.v > left.w(LAW)
    rho, _ = solve(left, right, LAW).at(np.array([left.w(LAW) + 0.1, right.v - 0.1]))
    assert rho.tolist() == [0.0, 0.0]


@given(SHARE, SHARE)
def test_with_equilibrium_drivers_it_is_the_kinematic_wave(fill_left: float, fill_right: float) -> None:
    """With w = vf everywhere: the entropy solution of `rho_t + (rho V)_x = 0`, of which the flow at x = 0 is known."""
    left, right = (
        State(rho=fill * LAW.rho_jam_veh_m, v=float(LAW.equilibrium_speed(fill * LAW.rho_jam_veh_m)))
        for fill in (fill_left, fill_right)
    )
    between = np.linspace(*sorted((left.rho, right.rho)), 20_001)
    flows = between * LAW.equilibrium_speed(between)
    expected = flows.min() if left.rho <= right.rho else flows.max()  # Osher's formula, for a concave flow
    means, _ = solve(left, right, LAW).means(np.array([0.0, 300.0]), 10.0)
    flow = (float(means[0]) - right.rho) * 30.0 + right.rho * right.v  # vehicles that came, over time
    assert flow == pytest.approx(expected, abs=1e-7)


@pytest.mark.parametrize("case", exact_riemann.CASES, ids=lambda case: case.name)
def test_it_equals_the_models_own_table(case: exact_riemann.Case) -> None:
    left, right = (State(rho=rho, v=v) for rho, v in (case.left, case.right))
    xi = np.linspace(-15.0, 15.0, 1001) + 1e-4
    ours, _ = solve(left, right, LAW).at(xi)
    np.testing.assert_allclose(ours, exact_riemann.density(case, xi), atol=1e-12)


@pytest.mark.parametrize("fills", [(0.8, 0.2), (0.2, 0.6), (1.0, 0.0)])
def test_cell_means_equal_a_fine_quadrature(fills: tuple[float, float]) -> None:
    left, right = (
        State(rho=fill * LAW.rho_jam_veh_m, v=float(LAW.equilibrium_speed(fill * LAW.rho_jam_veh_m))) for fill in fills
    )
    solution: RiemannSolution = solve(left, right, LAW)
    edges_m = np.linspace(-160.0, 160.0, 33)
    x = edges_m[:-1, None] + 10.0 * (np.arange(2000) + 0.5) / 2000
    rho, v = solution.at(x / 10.0)
    means, y_means = solution.means(edges_m, 10.0)
    np.testing.assert_allclose(means, rho.mean(axis=1), atol=2e-5)
    np.testing.assert_allclose(y_means, (rho * (v + LAW.pressure(rho))).mean(axis=1), atol=3e-4)
