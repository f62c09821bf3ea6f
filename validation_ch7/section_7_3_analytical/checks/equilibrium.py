"""Equilibrium: uniform states stay, other speeds relax to `V(rho)`, perturbations do not grow.

Sources: Greenberg, SIAM J. Appl. Math. 62(3):729-745, 2001 (relaxation term); Whitham, Linear and Nonlinear Waves,
1974, ch. 10, and Liu, Comm. Math. Phys. 108:153-175, 1987 (sub-characteristic condition: an equilibrium is stable
if the speed of its own waves, `(rho V)'`, is between the two characteristic speeds). With V = vf - p the first speed
is equal to it: the equilibrium is neutrally stable, and no stop-and-go waves grow.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from validation_ch7.section_7_3_analytical.checks.finding import Finding
from validation_ch7.section_7_3_analytical.checks.setting import Setting
from validation_ch7.section_7_3_analytical.exact.law import Floats
from validation_ch7.section_7_3_analytical.exact.smooth import bump
from validation_ch7.section_7_3_analytical.road.problem import TIME_S, grid, uniform_inflow
from validation_ch7.traffic.model import arz

CHECK = "equilibrium"
FILLS = (0.0, 0.2, 0.5, 0.8, 1.0)
"""Densities of the equilibrium states, in units of the jam density."""

FILL_OFF, W_SHARES = 0.3, (0.5, 0.7, 0.9)
TIMES_S = (2.0, 4.0, 6.0, 8.0, TIME_S)
_AMPLITUDE = 0.01


@dataclass(frozen=True, kw_only=True, eq=False)
class EquilibriumResult:
    """What was measured.

    Attributes:
        drift: Change of each state of `FILLS`, the larger of density and speed, relative.
        speeds_m_s: Speed at each of `TIMES_S` for each of `W_SHARES`, shape (times, shares).
        exact_m_s: The exact speeds, same shape.
        equilibrium_m_s: The speed that they approach.
        growth: Size of a density perturbation at the end over that at the start, for each inner state of `FILLS`.
        subcharacteristic: Largest violation of the sub-characteristic condition, in free speeds.
    """

    drift: Floats
    speeds_m_s: Floats
    exact_m_s: Floats
    equilibrium_m_s: float
    growth: Floats
    subcharacteristic: float


def run(setting: Setting) -> EquilibriumResult:
    """Simulate on the coarsest grid: the exact values do not depend on the cells."""
    law, rho_off = setting.law, FILL_OFF * setting.law.rho_jam_veh_m
    target = float(law.equilibrium_speed(rho_off))
    start = np.array(W_SHARES) * law.vf_m_s - law.pressure(rho_off)
    decay = np.exp(-np.array(TIMES_S) / setting.crossing.traffic.tau_s)[:, None]
    return EquilibriumResult(
        drift=_drift(setting),
        speeds_m_s=np.array([_relaxed(setting, time_s) for time_s in TIMES_S]),
        exact_m_s=target + (start - target) * decay,
        equilibrium_m_s=target,
        growth=_growth(setting),
        subcharacteristic=_subcharacteristic_violation(setting),
    )


def findings(result: EquilibriumResult, setting: Setting) -> Iterator[Finding]:
    """One number for each state."""
    criteria = setting.criteria
    for fill, drift in zip(FILLS, result.drift, strict=True):
        yield Finding(
            check=CHECK,
            case=f"density {fill:g} of jam",
            quantity="drift",
            value=float(drift),
            high=criteria.equilibrium_max_drift,
        )
    off = np.abs(result.speeds_m_s - result.exact_m_s).max(axis=0) / setting.law.vf_m_s
    for share, error in zip(W_SHARES, off, strict=True):
        yield Finding(
            check=CHECK,
            case=f"relaxation from w = {share:g} vf",
            quantity="error of the speed",
            value=float(error),
            high=criteria.relaxation_max_error,
        )
    for fill, growth in zip(FILLS[1:-1], result.growth, strict=True):
        yield Finding(
            check=CHECK,
            case=f"perturbed density {fill:g} of jam",
            quantity="growth",
            value=float(growth) - 1.0,
            high=criteria.stability_max_growth,
        )
    yield Finding(
        check=CHECK,
        case="sub-characteristic condition",
        quantity="violation",
        value=result.subcharacteristic,
        high=criteria.stability_max_growth,
    )


def _drift(setting: Setting) -> Floats:
    """Relaxation is on, and the middle half of the road is compared with the start."""
    law = setting.law
    parameters, n_steps = grid(law, setting.cells[0], tau_s=setting.crossing.traffic.tau_s)
    rho = np.tile(np.array(FILLS)[:, None] * law.rho_jam_veh_m, (1, setting.cells[0]))
    problem = uniform_inflow(parameters, rho, np.full_like(rho, law.vf_m_s), law, n_steps)
    state = setting.solver(problem)
    off_rho = np.abs(state.rho - rho)[:, problem.middle].max(axis=1) / law.rho_jam_veh_m
    v = state.w - law.pressure(state.rho)
    off_v = np.abs(v - law.equilibrium_speed(rho))[:, problem.middle].max(axis=1) / law.vf_m_s
    return np.asarray(np.maximum(off_rho, off_v))


def _relaxed(setting: Setting, time_s: float) -> Floats:
    """Speed in the middle of uniform roads after a time, for each of `W_SHARES`; the worst cell of the middle half."""
    law = setting.law
    parameters, n_steps = grid(law, setting.cells[0], tau_s=setting.crossing.traffic.tau_s, time_s=time_s)
    rho = np.full((len(W_SHARES), setting.cells[0]), FILL_OFF * law.rho_jam_veh_m)
    w = np.tile(np.array(W_SHARES)[:, None] * law.vf_m_s, (1, setting.cells[0]))
    problem = uniform_inflow(parameters, rho, w, law, n_steps)
    state = setting.solver(problem)
    v = (state.w - law.pressure(state.rho))[:, problem.middle]
    mean = v.mean(axis=1)
    worst = np.abs(v - mean[:, None]).argmax(axis=1)
    return np.asarray(v[np.arange(len(v)), worst])


def _growth(setting: Setting) -> Floats:
    """A bump of 1 % of the density on equilibrium traffic: its largest deviation at the end over that at the start."""
    law = setting.law
    parameters, n_steps = grid(law, setting.cells[0], tau_s=setting.crossing.traffic.tau_s)
    base = np.array(FILLS[1:-1])[:, None] * law.rho_jam_veh_m
    x = np.linspace(-1.0, 1.0, setting.cells[0])
    rho = base * (1.0 + _AMPLITUDE * bump(4.0 * x)[None, :])
    problem = uniform_inflow(parameters, rho, np.full_like(rho, law.vf_m_s), law, n_steps)
    state = setting.solver(problem)
    start = np.abs(rho - base)[:, problem.middle].max(axis=1)
    return np.asarray(np.abs(state.rho - base)[:, problem.middle].max(axis=1) / start)


def _subcharacteristic_violation(setting: Setting) -> float:
    """`lambda1 <= (rho V)' <= v` for the solver's own speed function, by central differences (exact for a parabola)."""
    law, traffic = setting.law, setting.crossing.traffic
    rho, step = np.linspace(0.01, 0.99, 99) * law.rho_jam_veh_m, 1e-3 * law.rho_jam_veh_m

    def speed(at: Floats) -> Floats:
        return arz.speed(at, np.full_like(at, traffic.vf_m_s), traffic)

    own_wave = ((rho + step) * speed(rho + step) - (rho - step) * speed(rho - step)) / (2.0 * step)
    pressure_slope = -(speed(rho + step) - speed(rho - step)) / (2.0 * step)  # w is constant, so v falls as p rises
    slow = speed(rho) - rho * pressure_slope
    return float(np.maximum(slow - own_wave, own_wave - speed(rho)).max() / law.vf_m_s)
