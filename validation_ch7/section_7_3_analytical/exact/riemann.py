"""Exact solution of the Riemann problem of the equations without relaxation.

Two constant states meet at x = 0; the solution depends on `xi = x / t` alone. From the left: a 1-wave from the left
state to a middle state, across which `w` is constant, then a contact that moves at the speed of the right state and
across which `v` is constant. So the middle state has `v_m = v_right` and `p(rho_m) = w_left - v_right`.

* Slower traffic ahead (`v_m < v_left`): a shock. Rankine-Hugoniot for `rho`: `s = [rho v] / [rho]`. With `w` equal on
  both sides this is also `[rho w v] / [rho w]`, so both equations hold. As `rho v = rho w - rho p(rho)` and p is
  linear, the quotient is `s = w - p(rho_left) - p(rho_m) = v_left - p(rho_m)`.
* Faster traffic ahead: a fan, in which `xi = v - p(rho)` and `v = w_left - p(rho)`, so `p(rho) = (w_left - xi) / 2`.
* Much faster traffic ahead (`v_right >= w_left`): the fan ends in a vacuum at `xi = w_left`.

Sources: Aw & Rascle, SIAM J. Appl. Math. 60(3):916-938, 2000, sec. 4; Garavello & Piccoli, Traffic Flow on Networks,
AIMS 2006 (the same waves at boundaries and junctions); LeVeque, Finite Volume Methods for Hyperbolic Problems,
2002, ch. 11 and 13 (shocks, fans and Riemann invariants).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from validation_ch7.section_7_3_analytical.exact.law import Floats, Law

_FAR = 10.0
"""The outermost pieces end at this many free speeds; no wave is faster than one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """A uniform state: density in veh/m, speed in m/s."""

    rho: float
    v: float

    def w(self, law: Law) -> float:
        """Driver attribute in m/s."""
        return self.v + float(law.pressure(self.rho))


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A part of the solution in which the density is linear in `xi` and `w` is constant; speeds in m/s."""

    start: float
    end: float
    rho_start: float
    rho_end: float
    w: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RiemannSolution:
    """The pieces of the solution from left to right; where one ends, the next one starts."""

    law: Law
    pieces: tuple[Piece, ...]

    def at(self, xi: Floats) -> tuple[Floats, Floats]:
        """Density in veh/m and speed in m/s at `x / t = xi`."""
        rho, w = np.empty_like(xi), np.empty_like(xi)
        for piece in self.pieces:
            inside = (xi >= piece.start) & (xi <= piece.end)
            share = (xi[inside] - piece.start) / max(piece.end - piece.start, 1e-300)
            rho[inside] = piece.rho_start + share * (piece.rho_end - piece.rho_start)
            w[inside] = piece.w
        return rho, w - self.law.pressure(rho)

    def means(self, edges_m: Floats, time_s: float) -> tuple[Floats, Floats]:
        """Mean of `rho` (veh/m) and of `rho w` (veh/s) over each cell; exact, since every piece is linear."""
        xi = edges_m / time_s
        rho_sum, y_sum = np.zeros_like(xi), np.zeros_like(xi)
        for piece in self.pieces:
            width = piece.end - piece.start
            if width <= 0.0:
                continue
            inside = np.clip(xi, piece.start, piece.end) - piece.start
            area = inside * (piece.rho_start + 0.5 * inside / width * (piece.rho_end - piece.rho_start))
            rho_sum += area
            y_sum += area * piece.w
        return np.diff(rho_sum) / np.diff(xi), np.diff(y_sum) / np.diff(xi)


def solve(left: State, right: State, law: Law) -> RiemannSolution:
    """The exact solution for two states.

    Args:
        left: State at x < 0.
        right: State at x > 0.
        law: The model.
    """
    w = left.w(law)
    v_middle = min(right.v, w)
    rho_middle = float(law.density(w - right.v))
    if v_middle < left.v:
        first = last = left.v - float(law.pressure(rho_middle))  # not the quotient, which a weak shock would round
        fan = []
    else:
        first, last = (float(law.slow_speed(*state)) for state in ((left.rho, left.v), (rho_middle, v_middle)))
        fan = [Piece(start=first, end=last, rho_start=left.rho, rho_end=rho_middle, w=w)]
    far = _FAR * law.vf_m_s
    pieces = (
        Piece(start=-far, end=first, rho_start=left.rho, rho_end=left.rho, w=w),
        *fan,
        Piece(start=last, end=right.v, rho_start=rho_middle, rho_end=rho_middle, w=w),
        Piece(start=right.v, end=far, rho_start=right.rho, rho_end=right.rho, w=right.w(law)),
    )
    return RiemannSolution(law=law, pieces=pieces)
