"""Faults planted in the compiled kernel itself: the whole examination never ends `supported`."""

from __future__ import annotations

import inspect
import time
import types
from typing import Any

import numba
import pytest
from made_setting import kernel_setting

from orchestrator.kernel.outcome import Verdict
from validation_ch7.section_7_3_analytical.checks import agreement
from validation_ch7.section_7_3_analytical.examination import EXPECTED, examine
from validation_ch7.section_7_3_analytical.verdict import judge
from validation_ch7.traffic.crossing import intersection
from validation_ch7.traffic.numba_kernel import advance, boundaries, cells

MUTANTS = {
    "wrong sign of the flux": (cells, "_new_state", "density - outflow * ratio", "density + outflow * ratio"),
    "attribute enters with the wrong sign": (cells, "_new_state", "* share + attribute", "* -share + attribute"),
    "a leak in each cell": (cells, "_new_state", "return new, ", "return new * 0.999999, "),
    "another pressure exponent": (cells, "_outflow", "slope * density_ahead", "slope * density_ahead ** 1.02"),
    "no relaxation": (cells, "_new_state", "(mixed - vf) * relaxation + vf", "mixed"),
    "an open red light": (boundaries, "pass_stop_lines", "* gate[lane]", "* 1.0"),
    "an exit that lets nothing out": (boundaries, "leave", "served_sum[lane] += flow", "served_sum[lane] += 0.0"),
    "an entry without a limit": (boundaries, "enter", "smaller(waiting, room * dt)", "waiting"),
}


def compiled_again(function: Any, **replaced: Any) -> Any:
    """A function of the kernel, compiled with others in the places of those that it calls; never kept on disk."""
    source = function.py_func
    own = types.FunctionType(source.__code__, {**source.__globals__, **replaced}, source.__name__)
    return numba.njit(own, nogil=True, error_model="numpy", cache=False)


def plant(monkeypatch: pytest.MonkeyPatch, mutant: str) -> None:
    module, name, old, new = MUTANTS[mutant]
    source = inspect.getsource(getattr(module, name).py_func)
    assert source.count(old) == 1
    namespace: dict[str, Any] = {**vars(module), "compiled": lambda function: numba.njit(function, nogil=True)}
    exec("from __future__ import annotations\n" + source.replace(old, new), namespace)  # noqa: S102 - the code under test, changed
    replaced = {name: namespace[name]}
    if module is cells:  # its functions call the mutant
        updates = (cells.update_cell, cells.update_three_cells, cells.update_last_cell)
        replaced = {one.__name__: compiled_again(one, **replaced) for one in updates}
    block = compiled_again(advance.advance_block, **replaced)
    monkeypatch.setattr(intersection, "advance_blocks", compiled_again(advance.advance_blocks, advance_block=block))


@pytest.mark.prove
@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_mutated_kernel_is_detected_by_the_physics(mutant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch, mutant)
    done = examine(kernel_setting(), monotonic=time.monotonic)
    judgement = judge(done.findings, expected=EXPECTED, failures=done.failures)
    assert judgement.verdict in (Verdict.NOT_SUPPORTED, Verdict.INVALID), judgement.reasons
    wrong = {one.check for one in done.findings if not one.passes}
    assert wrong - {agreement.CHECK} or done.failures, wrong
    print(mutant, sorted(wrong), done.failures)
