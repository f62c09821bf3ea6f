"""The exact Riemann solution itself, against independently computed values."""

import exact_riemann
import numpy as np
import pytest


@pytest.mark.parametrize("case", exact_riemann.CASES, ids=lambda case: case.name)
def test_the_middle_density_equals_the_table(case: exact_riemann.Case) -> None:
    assert exact_riemann.middle_density(case) == pytest.approx(case.rho_middle, abs=5e-7)


@pytest.mark.parametrize("case", exact_riemann.CASES, ids=lambda case: case.name)
def test_the_first_wave_has_the_speed_of_the_table(case: exact_riemann.Case) -> None:
    for speed in case.wave:
        left, right = exact_riemann.density(case, np.array([speed - 1e-3, speed + 1e-3]))
        behind_wave = exact_riemann.density(case, np.array([speed - 0.4, speed - 0.2]))
        if len(case.wave) == 1:  # a shock: two constant states meet
            assert left == case.left[0] and right == pytest.approx(case.rho_middle, abs=5e-7)
        elif speed == case.wave[0]:  # start of a fan: constant before, lower density after
            assert behind_wave[0] == behind_wave[1] == case.left[0] > right


@pytest.mark.parametrize("case", exact_riemann.CASES, ids=lambda case: case.name)
def test_the_exact_solution_conserves_vehicles(case: exact_riemann.Case) -> None:
    time_s, half_m = 15.0, 300.0
    edges = np.linspace(-half_m, half_m, 4001)
    stored = float((exact_riemann.cell_means(case, edges, time_s) * np.diff(edges)).sum())
    (rho_l, v_l), (rho_r, v_r) = case.left, case.right
    expected = half_m * (rho_l + rho_r) + time_s * (rho_l * v_l - rho_r * v_r)
    assert stored == pytest.approx(expected, abs=2e-3)
