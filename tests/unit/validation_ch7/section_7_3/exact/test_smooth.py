"""The smooth exact solutions satisfy both differential equations, relaxation included."""

from __future__ import annotations

import numpy as np
import pytest

from validation_ch7.section_7_3_analytical.exact.law import Floats, Law
from validation_ch7.section_7_3_analytical.exact.smooth import (
    SimpleWave,
    SmoothContact,
    SmoothSolution,
    TravellingWave,
    cell_means,
    passing,
)

LAW = Law(vf_m_s=13.89, rho_jam_veh_m=0.15)
SOLUTIONS: dict[str, SmoothSolution] = {
    "contact": SmoothContact(law=LAW),
    "simple wave": SimpleWave(law=LAW),
    "travelling wave": TravellingWave(law=LAW, tau_s=30.0),
}
X_M, TIME_S, STEP_M, STEP_S = np.linspace(-250.0, 250.0, 201), 6.0, 1e-2, 1e-3


def quantities(solution: SmoothSolution, x_m: Floats, time_s: float) -> tuple[Floats, Floats, Floats]:
    rho, w = solution.at(x_m, time_s)
    return rho, w, w - LAW.pressure(rho)


@pytest.mark.parametrize("name", SOLUTIONS)
def test_both_equations_hold(name: str) -> None:
    solution = SOLUTIONS[name]
    later, earlier = (quantities(solution, X_M, TIME_S + sign * STEP_S) for sign in (1.0, -1.0))
    ahead, behind = (quantities(solution, X_M + sign * STEP_M, TIME_S) for sign in (1.0, -1.0))
    rho, w, _ = quantities(solution, X_M, TIME_S)
    change = (later[0] - earlier[0]) / (2 * STEP_S)
    outflow = (ahead[0] * ahead[2] - behind[0] * behind[2]) / (2 * STEP_M)
    assert np.abs(change).max() > 1e-6  # it moves at all
    np.testing.assert_allclose(change + outflow, 0.0, atol=1e-3 * np.abs(change).max())
    change_y = (later[0] * later[1] - earlier[0] * earlier[1]) / (2 * STEP_S)
    outflow_y = (ahead[0] * ahead[1] * ahead[2] - behind[0] * behind[1] * behind[2]) / (2 * STEP_M)
    source = rho * (LAW.vf_m_s - w) / solution.tau_s if np.isfinite(solution.tau_s) else np.zeros_like(rho)
    np.testing.assert_allclose(change_y + outflow_y, source, atol=1e-3 * np.abs(change_y).max())


def test_the_travelling_wave_uses_the_relaxation_and_keeps_its_shape() -> None:
    wave = TravellingWave(law=LAW, tau_s=30.0)
    rho, w = wave.at(X_M, 0.0)
    assert (np.diff(rho) < 0.0).all() and rho.max() / rho.min() > 1.05
    assert (LAW.vf_m_s - w).max() > 0.05  # out of equilibrium
    moved, _ = wave.at(X_M + wave.speed_m_s * 4.0, 4.0)
    np.testing.assert_allclose(moved, rho, rtol=1e-12)


def test_the_simple_wave_is_smooth_until_well_after_the_time_used() -> None:
    wave = SimpleWave(law=LAW)
    for time_s in (0.0, 10.0):
        rho, w = wave.at(X_M, time_s)
        assert np.abs(np.diff(rho)).max() < 0.005
        assert (w == w[0]).all()
    slow = w[0] - 2.0 * LAW.pressure(rho)
    assert slow.min() < 0.0 < slow.max()  # a sonic point is inside


@pytest.mark.parametrize("name", SOLUTIONS)
def test_what_passes_a_place_is_missing_behind_it(name: str) -> None:
    solution = SOLUTIONS[name]
    edges_m = np.linspace(-300.0, 0.0, 301)
    times_s = np.linspace(0.0, 8.0, 81)
    stored = [float(cell_means(solution, edges_m, time_s)[0].sum()) for time_s in (0.0, 8.0)]
    came, left = (float(passing(solution, LAW, x_m, times_s)[0].sum()) for x_m in (-300.0, 0.0))
    assert stored[1] - stored[0] == pytest.approx(came - left, abs=1e-6)
