"""Smooth exact solutions, for the order of convergence: two without relaxation and one with it.

Sources: Aw & Rascle, SIAM J. Appl. Math. 60(3):916-938, 2000 (Riemann invariants: `w` across 1-waves, `v` across
2-waves); LeVeque, Finite Volume Methods for Hyperbolic Problems, 2002, sec. 13.8 (simple waves); Flynn, Kasimov, Nave,
Rosales & Seibold, Phys. Rev. E 79:056113, 2009 (travelling waves with relaxation). Formulas derived here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from validation_ch7.section_7_3_analytical.exact.law import Floats, Law

_POINTS, _WEIGHTS = np.polynomial.legendre.leggauss(5)
_HALVINGS = 60  # of an interval, to the last bit of a float


class SmoothSolution(Protocol):
    """An exact solution. `tau_s` is its relaxation time, infinite without relaxation."""

    @property
    def tau_s(self) -> float:
        """Relaxation time in s."""

    def at(self, x_m: Floats, time_s: Floats | float) -> tuple[Floats, Floats]:
        """Density in veh/m and driver attribute `w` in m/s; times of the shape of `x_m`, or one time."""


def bump(s: Floats) -> Floats:
    """`(1 - s^2)^4` within -1 < s < 1, zero elsewhere: three times continuously differentiable."""
    return np.asarray(np.maximum(0.0, 1.0 - s**2) ** 4)


@dataclass(frozen=True, slots=True, kw_only=True)
class SmoothContact:
    """Drivers of changing type at one speed: `v` is constant, and `w` moves with the vehicles.

    With `v` constant, `rho = (w - v) rho_jam / vf` and `w_t + v w_x = 0` solve both equations. Shares are of the free
    speed.
    """

    law: Law
    v_share: float = 0.55
    w_share: float = 0.75
    w_bump_share: float = 0.20
    centre_m: float = -60.0
    half_width_m: float = 100.0
    tau_s: float = np.inf

    def at(self, x_m: Floats, time_s: Floats | float) -> tuple[Floats, Floats]:
        """See `SmoothSolution`."""
        v = self.v_share * self.law.vf_m_s
        moved = (x_m - v * time_s - self.centre_m) / self.half_width_m
        w = self.law.vf_m_s * (self.w_share + self.w_bump_share * bump(moved))
        return self.law.density(w - v), w


@dataclass(frozen=True, slots=True, kw_only=True)
class SimpleWave:
    """Drivers of one type at changing density: `w` is constant, and `rho` is constant along `dx/dt = w - 2 p(rho)`.

    The profile steepens. The times used are below half the breaking time. The wave speed changes its sign inside the
    wave, so the scheme meets a sonic point. Shares are of free speed and jam density.
    """

    law: Law
    w_share: float = 0.90
    rho_share: float = 0.40
    rho_bump_share: float = 0.10
    centre_m: float = -20.0
    half_width_m: float = 120.0
    tau_s: float = np.inf

    def at(self, x_m: Floats, time_s: Floats | float) -> tuple[Floats, Floats]:
        """See `SmoothSolution`."""
        w = self.w_share * self.law.vf_m_s
        fastest = w - 2.0 * float(self.law.pressure(self.rho_share * self.law.rho_jam_veh_m))
        slowest = fastest - 2.0 * self.rho_bump_share * self.law.vf_m_s

        def arrives_at(start_m: Floats) -> Floats:
            return start_m + (w - 2.0 * self.law.pressure(self._start(start_m))) * time_s

        start_m = _root(arrives_at, x_m, x_m - fastest * time_s, x_m - slowest * time_s)
        return self._start(start_m), np.full_like(x_m, w)

    def _start(self, x_m: Floats) -> Floats:
        """Density at time 0."""
        shape = bump((x_m - self.centre_m) / self.half_width_m)
        return self.law.rho_jam_veh_m * (self.rho_share + self.rho_bump_share * shape)


@dataclass(frozen=True, slots=True, kw_only=True)
class TravellingWave:
    r"""A profile of fixed shape that moves at speed `c`, with relaxation: the only one that uses every term.

    With `xi = x - c t`, the first equation gives `rho (v - c) = m`, a constant, and the second `m w' = rho (vf - w) /
    tau` with `w = c + m / rho + K rho`, K = vf / rho_jam. The right side vanishes at two densities a and b with
    `K (a + b) = vf - c` and `m = K a b`. Insert them, with densities in units of the jam density:

        d xi / d rho = -tau vf a b (rho^2 - a b) / ((rho - a)(rho - b) rho^2)

    By partial fractions, `xi = -tau vf a b [ln(rho - a) / a + ln(b - rho) / b - (1/a + 1/b) ln rho + 1/rho] + const`.
    For a < rho < sqrt(a b) the density falls smoothly to a, and every wave is slower than the road's vehicles but
    moves forward, so that the upstream end alone must be fed.
    """

    law: Law
    tau_s: float
    low: float = 2.0 / 15.0
    high: float = 0.4
    rho_at_start: float = 0.9
    """Density at `start_m`, as a share of the largest possible one, `sqrt(a b)`."""
    start_m: float = -480.0

    @property
    def speed_m_s(self) -> float:
        """The wave's speed c."""
        return self.law.vf_m_s * (1.0 - self.low - self.high)

    def at(self, x_m: Floats, time_s: Floats | float) -> tuple[Floats, Floats]:
        """See `SmoothSolution`. `x_m - c time_s` must not be below `start_m`."""
        most = self.rho_at_start * np.sqrt(self.low * self.high)
        place = x_m - self.speed_m_s * time_s - self.start_m + self._place(np.asarray(most))
        low, high = np.full_like(x_m, self.low * (1.0 + 1e-15)), np.full_like(x_m, most)
        share = _root(lambda rho: -self._place(rho), -place, low, high)
        w = self.law.vf_m_s * (1.0 - self.low - self.high + self.low * self.high / share + share)
        return share * self.law.rho_jam_veh_m, w

    def _place(self, share: Floats) -> Floats:
        """`xi` in m, up to a constant, of a density in units of the jam density."""
        a, b = self.low, self.high
        inner = np.log(share - a) / a + np.log(b - share) / b - (1.0 / a + 1.0 / b) * np.log(share) + 1.0 / share
        return np.asarray(-self.tau_s * self.law.vf_m_s * a * b * inner)


def cell_means(solution: SmoothSolution, edges_m: Floats, time_s: float) -> tuple[Floats, Floats]:
    """Mean of `rho` and of `rho w` over each cell, by Gauss-Legendre quadrature with 5 points (order 10)."""
    centres, halves = 0.5 * (edges_m[1:] + edges_m[:-1]), 0.5 * np.diff(edges_m)
    rho, w = solution.at(centres[:, None] + halves[:, None] * _POINTS, time_s)
    return 0.5 * _weighted(rho), 0.5 * _weighted(rho * w)


def passing(solution: SmoothSolution, law: Law, x_m: float, times_s: Floats) -> tuple[Floats, Floats]:
    """Vehicles that pass a place between each two times, and the mean of their `w` in m/s; same quadrature."""
    centres, halves = 0.5 * (times_s[1:] + times_s[:-1]), 0.5 * np.diff(times_s)
    at_s = centres[:, None] + halves[:, None] * _POINTS
    rho, w = solution.at(np.full_like(at_s, x_m), at_s)
    flow = rho * (w - law.pressure(rho))
    return _weighted(flow) * halves, _weighted(flow * w) / _weighted(flow)


def _weighted(values: Floats) -> Floats:
    """Quadrature over the last axis; no matrix product, whose rounding depends on the computer."""
    return np.asarray((values * _WEIGHTS).sum(axis=-1))


def _root(rising: Callable[[Floats], Floats], wanted: Floats, low: Floats, high: Floats) -> Floats:
    """Where a rising function has the wanted values, by bisection."""
    low, high = np.array(low), np.array(high)
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        below = rising(middle) < wanted
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return 0.5 * (low + high)
