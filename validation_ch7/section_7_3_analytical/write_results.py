"""Makes the section's results from an examination: verdict, tables and figures, all from the same numbers."""

from __future__ import annotations

import math
from typing import Any

from orchestrator.kernel.files.atomic import write_json, write_text
from orchestrator.kernel.session.context import SessionContext
from validation_ch7.section_7_3_analytical.checks import convergence, riemann, signal
from validation_ch7.section_7_3_analytical.examination import EXPECTED, Examination
from validation_ch7.section_7_3_analytical.figures.all_figures import Album, draw
from validation_ch7.section_7_3_analytical.tables import Row, as_csv, findings_csv, findings_json, findings_latex
from validation_ch7.section_7_3_analytical.verdict import Judgement, judge

TABLE_NAME = "analytical_validation"


def conclude(context: SessionContext, examination: Examination) -> Judgement:
    """Judge, then write the tables, then the figures, so that a session that must stop has at least all numbers.

    Raises:
        OSError: A file cannot be written.
    """
    found, ticket = examination.findings, context.ticket
    judgement = judge(found, expected=EXPECTED, failures=examination.failures)
    stamp = ticket.stamp()
    content = findings_json(found, judgement=judgement, criteria=ticket.spec["criteria"], stamp=stamp)
    content["spent_s"] = {name: round(spent_s, 3) for name, spent_s in examination.spent_s.items()}
    write_json(context.metrics_dir / f"{TABLE_NAME}.json", content)
    texts = {
        f"{TABLE_NAME}.csv": findings_csv(found, stamp),
        f"{TABLE_NAME}.tex": findings_latex(found, judgement=judgement, stamp=stamp),
        "errors_by_grid.csv": as_csv(_grid_rows(examination), stamp),
        "signal_delays.csv": as_csv(_signal_rows(examination), stamp),
    }
    for name, text in texts.items():
        write_text(context.metrics_dir / name, text)
    album = Album(
        examination=examination,
        verdict=judgement.verdict,
        stamp=f"run {ticket.run_id} session {ticket.session} nonce {ticket.nonce}"
        f" spec {ticket.spec_digest[:12]} bundle {ticket.bundle_digest[:12]}",
    )
    draw(album, context.figures_dir, must_leave=lambda: context.must_leave, say=context.reporter.say)
    return judgement


def summary_of(examination: Examination) -> dict[str, Any]:
    """Main numbers, plain JSON: the worst number of each check, and counts."""
    found = examination.findings
    worst: dict[str, dict[str, float | None]] = {}
    for one in found:
        of_check = worst.setdefault(one.check, {})
        name = one.quantity.partition(",")[0].replace(" ", "_")
        before = of_check.get(name)
        least = one.high is None
        if not math.isfinite(one.value):
            of_check[name] = None
        elif name not in of_check:
            of_check[name] = one.value
        elif before is not None:
            of_check[name] = min(before, one.value) if least else max(before, one.value)
    return {"limits": len(found), "limits_met": sum(one.passes for one in found), **worst}


def _grid_rows(examination: Examination) -> list[Row]:
    """The errors behind the orders."""
    rows: list[Row] = []
    if (of_riemann := examination.results.get(riemann.CHECK)) is not None:
        for cells, errors in of_riemann.errors.items():
            for row, case in enumerate(riemann.CASES):
                rows += [
                    _grid_row(riemann.CHECK, case, variable, cells, errors[row, column])
                    for column, variable in enumerate(("rho", "rho w"))
                ]
    if (of_smooth := examination.results.get(convergence.CHECK)) is not None:
        for case, errors in of_smooth.errors.items():
            rows += [_grid_row(convergence.CHECK, case, "rho", cells, error) for cells, error in errors.items()]
    return rows


def _grid_row(check: str, case: str, variable: str, cells: int, error: float) -> Row:
    finite = float(error) if math.isfinite(error) else None
    return {"check": check, "case": case, "variable": variable, "cells": cells, "relative_l1_error": finite}


def _signal_rows(examination: Examination) -> list[Row]:
    """Every approach, also on the grids between those that are judged."""
    return [
        {
            "green_ns_s": one.plan[0],
            "green_ew_s": one.plan[1],
            "cells_per_card_cell": one.refinement,
            "degree_of_saturation": one.degree,
            "flow_veh_s": one.flow_veh_s,
            "capacity_veh_s": one.capacity_veh_s,
            "passed_veh_s": one.passed_veh_s,
            "quantity": "delay_s_per_veh" if one.degree < 1.0 else "queue_growth_veh_s",
            "exact": one.exact,
            "simulated": one.measured if math.isfinite(one.measured) else None,
        }
        for one in examination.results.get(signal.CHECK, ())
    ]
