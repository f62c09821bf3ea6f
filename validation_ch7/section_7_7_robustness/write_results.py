"""Makes the section's results from a study: verdict, tables and figures, all from the same numbers."""

from __future__ import annotations

from typing import Any

from orchestrator.kernel.files.atomic import write_json, write_text
from orchestrator.kernel.session.context import SessionContext
from validation_ch7.section_7_7_robustness.estimates import POLICIES, Row, rows_of
from validation_ch7.section_7_7_robustness.evaluation.study import Study
from validation_ch7.section_7_7_robustness.figures.all_figures import Album, draw
from validation_ch7.section_7_7_robustness.schema import NOMINAL, Criteria
from validation_ch7.section_7_7_robustness.tables import hours_csv, results_json, rows_csv, rows_latex
from validation_ch7.section_7_7_robustness.verdict import Judgement, judge

TABLE_NAME = "robustness"


def conclude(context: SessionContext, study: Study, criteria: Criteria) -> tuple[Judgement, dict[str, Any]]:
    """Judge, then write the tables, then the figures, so that a session that must stop has at least all numbers.

    Returns:
        The verdict, and the main numbers as plain JSON.

    Raises:
        OSError: A file cannot be written.
    """
    ticket = context.ticket
    rows = rows_of(study)
    judgement = judge(study, rows, criteria)
    stamp = ticket.stamp()
    content = results_json(study, rows, judgement=judgement, spec=ticket.spec, stamp=stamp)
    write_json(context.metrics_dir / f"{TABLE_NAME}.json", content)
    texts = {
        f"{TABLE_NAME}.csv": rows_csv(rows, stamp),
        f"{TABLE_NAME}_hours.csv": hours_csv(study, ticket.nonce),
        f"{TABLE_NAME}.tex": rows_latex(rows, judgement=judgement, stamp=stamp),
    }
    for name, text in texts.items():
        write_text(context.metrics_dir / name, text)
    album = Album(
        rows=rows,
        criteria=criteria,
        verdict=judgement.verdict,
        stamp=f"run {ticket.run_id} session {ticket.session} nonce {ticket.nonce}"
        f" spec {ticket.spec_digest[:12]} bundle {ticket.bundle_digest[:12]}",
    )
    draw(album, context.figures_dir, must_leave=lambda: context.must_leave, say=context.reporter.say)
    return judgement, _summary(study, rows)


def _summary(study: Study, rows: list[Row]) -> dict[str, Any]:
    """The largest ratio of the policies in each family, and the nominal delays."""
    worst: dict[str, float] = {}
    for row in rows:
        if row.controller == POLICIES and row.ratio is not None:
            name = row.condition.name
            worst[name] = max(worst.get(name, 0.0), row.ratio.value)
    nominal = {
        row.controller: row.delay_s.value for row in rows if row.condition.name == NOMINAL and row.delay_s is not None
    }
    return {
        "policies": [policy.digest for policy in study.setting.policies],
        "conditions": len(study.results),
        "largest_ratio": worst,
        "nominal_delay_s_per_veh": nominal,
        "tuned": {name: dict(tuning.chosen) for name, tuning in study.tuned.items()},
    }
