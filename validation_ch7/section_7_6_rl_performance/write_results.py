"""Makes the section's results from a comparison: verdict, tables and figures, all from the same numbers."""

from __future__ import annotations

from typing import Any

from orchestrator.kernel.files.atomic import write_json, write_text
from orchestrator.kernel.schema import read
from orchestrator.kernel.session.context import SessionContext
from orchestrator.sb3.loop import TrainingResult
from orchestrator.sb3.training.training_state import TrainingState
from validation_ch7.section_7_6_rl_performance.evaluation.comparison import Comparison
from validation_ch7.section_7_6_rl_performance.evaluation.partial_results import finite_or_none, full_stamp
from validation_ch7.section_7_6_rl_performance.figures.all_figures import Album, draw
from validation_ch7.section_7_6_rl_performance.figures.latex_table import comparison_latex
from validation_ch7.section_7_6_rl_performance.figures.learning_curve import LearningCurve
from validation_ch7.section_7_6_rl_performance.schema import Criteria
from validation_ch7.section_7_6_rl_performance.verdict.statistics import Bootstrap
from validation_ch7.section_7_6_rl_performance.verdict.tables import (
    Row,
    comparison_csv,
    comparison_json,
    comparison_rows,
    scenarios_csv,
)
from validation_ch7.section_7_6_rl_performance.verdict.verdict import Judgement, judge
from validation_ch7.traffic.env.settings import EnvironmentSettings

TABLE_NAME = "rl_performance_comparison"
SCENARIOS_NAME = "rl_performance_scenarios.csv"

# The resampling seed belongs to the method, not to the run: equal delays always give equal intervals.
_BOOTSTRAP_SEED = 7_6


def conclude(context: SessionContext, result: TrainingResult, comparison: Comparison) -> Judgement:
    """Judge, then write the tables, then the figures, so that a session that must stop has at least all numbers.

    Raises:
        ValueError: The criteria are invalid.
        OSError: A file cannot be written.
    """
    training = result.training
    criterion = read(Criteria, training.plan.criteria, place="criteria")
    bootstrap = Bootstrap(n_scenarios=training.plan.evaluation_scenarios, seed=_BOOTSTRAP_SEED)
    judgement = judge(
        comparison.results,
        criteria=training.plan.criteria,
        training={**result.facts, "policy_digest_evaluated": comparison.best.policy_digest},
        settings=EnvironmentSettings.from_mapping(training.plan.lineage.environment),
        bootstrap=bootstrap,
        more_faults=comparison.faults,
        reservations=comparison.edge_faults,
    )
    rows = comparison_rows(
        comparison.results,
        baseline=criterion.baseline,
        bootstrap=bootstrap,
        from_session=comparison.from_session,
        hardest_pct=criterion.hardest_pct,
    )
    _write_tables(context, training, comparison, judgement, rows)
    started_s = context.monotonic()
    album = _album(context, training, comparison, judgement, bootstrap)
    draw(album, context.figures_dir, must_leave=lambda: context.must_leave, say=context.reporter.say)
    comparison.spent_s["pictures"] = context.monotonic() - started_s
    return judgement


def summary_of(comparison: Comparison, judgement: Judgement) -> dict[str, Any]:
    """Main numbers, plain JSON."""
    criteria = {one.criterion: one.verdict.value for one in judgement.findings}
    reduction, actuated = judgement.reduction_pct, judgement.against_actuated_pct
    return {
        "evaluated_model": comparison.best.in_short(),
        "delay_s_per_veh": {
            name: finite_or_none(hours.delay_s_per_veh.mean()) for name, hours in comparison.results.items()
        },
        "delay_reduction_pct": reduction and [reduction.value, reduction.low, reduction.high],
        "against_actuated_pct": actuated and [actuated.value, actuated.low, actuated.high],
        **({"criteria": criteria} if criteria else {}),
        "tuned": {name: dict(tuning.chosen) for name, tuning in comparison.tuned.items()},
        **({"from_session": dict(comparison.from_session)} if comparison.from_session else {}),
        "spent_s": {name: round(spent_s, 3) for name, spent_s in comparison.spent_s.items()},
    }


def _write_tables(
    context: SessionContext, training: TrainingState, comparison: Comparison, judgement: Judgement, rows: list[Row]
) -> None:
    stamp = full_stamp(context, training)
    content = {
        **comparison_json(rows, judgement=judgement, criteria=training.plan.criteria, stamp=stamp),
        "evaluated_model": comparison.best.in_short(),
        "tuned": {name: tuning.in_short() for name, tuning in comparison.tuned.items()},
        **({"network_check": comparison.network.in_short()} if comparison.network is not None else {}),
        "sessions_seams": list(training.record.seams),
    }
    texts = {
        f"{TABLE_NAME}.csv": comparison_csv(rows, stamp),
        f"{TABLE_NAME}.tex": comparison_latex(
            rows, baseline=str(training.plan.criteria["baseline"]), judgement=judgement, stamp=stamp
        ),
        SCENARIOS_NAME: scenarios_csv(comparison.results, stamp),
    }
    for name, text in texts.items():
        write_text(context.metrics_dir / name, text)
    write_json(context.metrics_dir / f"{TABLE_NAME}.json", content)


def _album(
    context: SessionContext, training: TrainingState, comparison: Comparison, judgement: Judgement, bootstrap: Bootstrap
) -> Album:
    record, ticket = training.record, context.ticket
    curve = LearningCurve(
        steps=[point.steps for point in record.curve],
        delay_s_per_veh=[point.measures["delay_s_per_veh"] for point in record.curve],
        seams=list(record.seams),
        best_steps=comparison.best.steps,
        classical_s_per_veh={name: tuning.delay_s_per_veh for name, tuning in comparison.tuned.items()},
    )
    return Album(
        results=comparison.results,
        controllers=comparison.controllers,
        settings=EnvironmentSettings.from_mapping(training.plan.lineage.environment),
        baseline=str(training.plan.criteria["baseline"]),
        verdict=judgement.verdict,
        bootstrap=bootstrap,
        curve=curve,
        stamp=f"run {ticket.run_id} session {ticket.session} nonce {ticket.nonce}"
        f" spec {ticket.spec_digest[:12]} bundle {ticket.bundle_digest[:12]}",
    )
