"""A wrong solver never ends `supported`: faults planted in readable solver, kernel constants and signal.

The readable solver is examined without the comparison with the kernel, so the physics must detect each fault.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from made_setting import kernel_setting, reference_setting

from orchestrator.kernel.outcome import Verdict
from validation_ch7.section_7_3_analytical.checks import (
    conservation,
    convergence,
    equilibrium,
    riemann,
    signal,
)
from validation_ch7.section_7_3_analytical.checks.finding import Finding
from validation_ch7.section_7_3_analytical.checks.setting import Setting
from validation_ch7.section_7_3_analytical.verdict import Judgement, judge
from validation_ch7.traffic.crossing import measures
from validation_ch7.traffic.crossing.intersection import Intersection
from validation_ch7.traffic.model import arz
from validation_ch7.traffic.numba_kernel import constants
from validation_ch7.traffic.parameters import TrafficParameters
from validation_ch7.traffic.signal.timing import SignalTimes

Floats = arz.Floats
Patch = pytest.MonkeyPatch
ON_ROADS = (riemann, convergence, equilibrium)


def examined(setting: Setting, modules: tuple[ModuleType, ...]) -> tuple[Judgement, set[str]]:
    """The verdict of some checks, and those with a number outside its limits."""
    found: list[Finding] = []
    with np.errstate(all="ignore"):
        for module in modules:
            found.extend(module.findings(module.run(setting), setting))
    judgement = judge(found, expected=[module.CHECK for module in modules], failures={})
    return judgement, {one.check for one in found if not one.passes}


def test_the_sound_solver_passes() -> None:
    judgement, _ = examined(reference_setting(), (*ON_ROADS, conservation))
    assert judgement.verdict is Verdict.SUPPORTED, judgement.reasons


# Faults of the readable solver.

FLUX, UPDATE, RELAX = arz.godunov_flux, arz.update_cells, arz.relax


def wrong_sign(rho: Floats, w: Floats, v: Floats, p: TrafficParameters) -> Floats:
    return -FLUX(rho, w, v, p)


def upstream_flow(rho: Floats, w: Floats, v: Floats, p: TrafficParameters) -> Floats:
    """Without regard to the room ahead."""
    return rho * arz.speed(rho, w, p)


def demand_alone(rho: Floats, w: Floats, v: Floats, p: TrafficParameters) -> Floats:
    return arz.demand(rho, w, p)


def attribute_taken_for_speed(rho: Floats, w: Floats, v: Floats, p: TrafficParameters) -> Floats:
    return rho * w


def flow_one_percent_low(rho: Floats, w: Floats, v: Floats, p: TrafficParameters) -> Floats:
    return 0.99 * FLUX(rho, w, v, p)


def no_capacity(rho: Floats, w: Floats, v: Floats, p: TrafficParameters) -> Floats:
    """A fan that passes the sonic point has another flow."""
    density = np.minimum(rho, v / p.pressure_slope)
    return density * (w - p.pressure_slope * density)


@pytest.mark.parametrize(
    "flux",
    [wrong_sign, upstream_flow, demand_alone, attribute_taken_for_speed, flow_one_percent_low, no_capacity],
)
def test_a_wrong_flux_is_detected(flux: Callable[..., Floats], monkeypatch: Patch) -> None:
    monkeypatch.setattr(arz, "godunov_flux", flux)
    judgement, wrong = examined(reference_setting(), ON_ROADS)
    assert judgement.verdict in (Verdict.NOT_SUPPORTED, Verdict.INVALID)
    assert wrong & {riemann.CHECK, convergence.CHECK}  # one percent shows in the order on smooth solutions alone


def leak_everywhere(rho: Floats, w: Floats, *others: Any) -> tuple[Floats, Floats]:
    new_rho, new_w = UPDATE(rho, w, *others)
    return new_rho * (1.0 - 1e-9), new_w


def leak_in_one_cell(rho: Floats, w: Floats, *others: Any) -> tuple[Floats, Floats]:
    new_rho, new_w = UPDATE(rho, w, *others)
    new_rho[:, new_rho.shape[1] // 2] *= 1.0 - 1e-7
    return new_rho, new_w


def attribute_does_not_move(rho: Floats, w: Floats, *others: Any) -> tuple[Floats, Floats]:
    return UPDATE(rho, w, *others)[0], w


@pytest.mark.parametrize(
    ("update", "check"),
    [
        (leak_everywhere, conservation),
        (leak_in_one_cell, conservation),
        (attribute_does_not_move, riemann),
        (attribute_does_not_move, conservation),
    ],
)
def test_a_wrong_update_is_detected(update: Callable[..., Any], check: ModuleType, monkeypatch: Patch) -> None:
    monkeypatch.setattr(arz, "update_cells", update)
    judgement, wrong = examined(reference_setting(), (check,))
    assert judgement.verdict is Verdict.NOT_SUPPORTED and wrong == {check.CHECK}


@pytest.mark.parametrize("exponent", [2.0, 1.01])
def test_a_wrong_pressure_exponent_is_detected(exponent: float, monkeypatch: Patch) -> None:
    def pressure(rho: Floats, p: TrafficParameters) -> Floats:
        return np.asarray(p.vf_m_s * (np.maximum(rho, 0.0) / p.rho_jam_veh_m) ** exponent)

    def inverse(value: Floats, p: TrafficParameters) -> Floats:
        return np.asarray(p.rho_jam_veh_m * (np.maximum(value, 0.0) / p.vf_m_s) ** (1.0 / exponent))

    def flow(rho: Floats, w: Floats, p: TrafficParameters) -> Floats:
        return np.asarray(rho * (w - pressure(rho, p)))

    def critical(w: Floats, p: TrafficParameters) -> Floats:
        return inverse(w / (1.0 + exponent), p)

    def demand(rho: Floats, w: Floats, p: TrafficParameters) -> Floats:
        return flow(np.minimum(rho, critical(w, p)), w, p)

    def supply(w: Floats, v: Floats, p: TrafficParameters) -> Floats:
        return flow(np.maximum(inverse(w - v, p), critical(w, p)), w, p)

    monkeypatch.setattr(arz, "speed", lambda rho, w, p: np.maximum(w - pressure(rho, p), 0.0))
    monkeypatch.setattr(arz, "demand", demand)
    monkeypatch.setattr(arz, "supply", supply)
    monkeypatch.setattr(arz, "godunov_flux", lambda rho, w, v, p: np.minimum(demand(rho, w, p), supply(w, v, p)))
    judgement, wrong = examined(reference_setting(), ON_ROADS)
    assert judgement.verdict in (Verdict.NOT_SUPPORTED, Verdict.INVALID)
    assert riemann.CHECK in wrong and equilibrium.CHECK in wrong


@pytest.mark.parametrize("factor", [0.0, 2.0, 1.001])
def test_a_wrong_relaxation_is_detected(factor: float, monkeypatch: Patch) -> None:
    def relax(w: Floats, p: TrafficParameters) -> Floats:
        w -= p.vf_m_s
        w *= p.relaxation_factor**factor
        w += p.vf_m_s
        return w

    monkeypatch.setattr(arz, "relax", relax)
    judgement, wrong = examined(reference_setting(), (convergence, equilibrium))
    assert judgement.verdict is Verdict.NOT_SUPPORTED and equilibrium.CHECK in wrong


def test_steps_above_the_cfl_limit_are_detected(monkeypatch: Patch) -> None:
    """Twice the step: the Courant number is 1.8."""
    single = TrafficParameters.cell_ratio.fget
    monkeypatch.setattr(TrafficParameters, "cell_ratio", property(lambda own: 2.0 * single(own)))
    judgement, wrong = examined(reference_setting(), ON_ROADS)
    assert judgement.verdict in (Verdict.NOT_SUPPORTED, Verdict.INVALID)
    assert riemann.CHECK in wrong


# Faults of the kernel, of which only the constants can be changed without compiling it again; see
# `test_mutated_kernel.py` for its code.


@pytest.mark.parametrize(
    ("constant", "factor", "check"),
    [
        (constants.SLOPE, 1.02, riemann),
        (constants.INVERSE_SLOPE, 0.98, riemann),
        (constants.HALF_INVERSE_SLOPE, 0.97, convergence),
        (constants.CELL_RATIO, 1.01, convergence),
        (constants.CELL_RATIO, 1.01, conservation),
        (constants.RELAXATION, 0.999, equilibrium),
        (constants.HALF_INVERSE_SLOPE, 0.95, signal),
    ],
)
def test_a_wrong_constant_of_the_kernel_is_detected(
    constant: int, factor: float, check: ModuleType, monkeypatch: Patch
) -> None:
    def wrong_constants(parameters: TrafficParameters) -> Floats:
        values = constants.constants_of(parameters)
        values[constant] *= factor
        return values

    monkeypatch.setattr(measures, "constants_of", wrong_constants)
    judgement, wrong = examined(kernel_setting(), (check,))
    assert judgement.verdict in (Verdict.NOT_SUPPORTED, Verdict.INVALID) and check.CHECK in wrong


@pytest.mark.parametrize(("name", "factor"), [("pressure_slope", 1.02), ("cell_ratio", 2.0), ("cell_ratio", 0.99)])
def test_a_constant_that_is_wrong_in_both_solvers_is_detected(name: str, factor: float, monkeypatch: Patch) -> None:
    """The exact solutions do not use the solver's constants, so the agreement of the two solvers does not matter."""
    right = getattr(TrafficParameters, name).fget
    monkeypatch.setattr(TrafficParameters, name, property(lambda own: factor * right(own)))
    judgement, wrong = examined(kernel_setting(), ON_ROADS)
    assert judgement.verdict in (Verdict.NOT_SUPPORTED, Verdict.INVALID)
    assert convergence.CHECK in wrong


def test_vehicles_that_vanish_at_the_crossing_are_detected(monkeypatch: Patch) -> None:
    whole = Intersection.advance_under

    def leaky(own: Intersection, *words: Any, **named: Any) -> None:
        whole(own, *words, **named)
        state = own.get_state()
        queue = np.array(state["queue_veh"])
        queue[queue > 1.0] -= 1e-6
        own.set_state({**state, "queue_veh": queue})

    monkeypatch.setattr(Intersection, "advance_under", leaky)
    judgement, wrong = examined(kernel_setting(), (conservation,))
    assert judgement.verdict is Verdict.NOT_SUPPORTED and wrong == {conservation.CHECK}


def test_a_signal_without_lost_time_is_detected(monkeypatch: Patch) -> None:
    whole = SignalTimes.of_kernel
    monkeypatch.setattr(SignalTimes, "of_kernel", lambda own: (*whole(own)[:2], 0, 0))
    judgement, wrong = examined(kernel_setting(), (signal,))
    assert judgement.verdict is Verdict.NOT_SUPPORTED and wrong == {signal.CHECK}


def test_a_solver_that_returns_nan_is_invalid(monkeypatch: Patch) -> None:
    monkeypatch.setattr(arz, "godunov_flux", lambda rho, w, v, p: np.full_like(v, np.nan))
    judgement, _ = examined(reference_setting(), ON_ROADS)
    assert judgement.verdict is Verdict.INVALID
