"""Learning curves as text and as Mermaid charts."""

from __future__ import annotations

from dataclasses import replace

from orchestrator.cli.campaign.presentation import trial_status_json
from orchestrator.cli.campaign.status import markdown_lines
from orchestrator.cli.output.standard_output import encodable
from orchestrator.core.campaign.trial_status import State, trial_status
from orchestrator.core.reporting.sparkline import mermaid, sparkline
from orchestrator.kernel.reporting.trial_report import CurvePoint, StitchedCurve
from tests.simulation.campaigns import SMALL, expanded


def curve(*scores: float) -> StitchedCurve:
    points = tuple(
        CurvePoint(steps=10 * place, score=score, measures={}, session="s") for place, score in enumerate(scores, 1)
    )
    return StitchedCurve(points=points, seams=(), wasted_steps=0, measured_twice=0, measured_otherwise=0)


def test_blocks_rise_with_the_score_and_a_long_curve_keeps_its_ends() -> None:
    assert sparkline(curve(-9.0, -5.5, -2.0).points) == "▁▅█"
    assert sparkline(curve(1.0, 1.0).points) == "▁▁" and sparkline(()) == ""
    long = sparkline(curve(*range(100)).points)
    assert len(long) == 20 and (long[0], long[-1]) == ("▁", "█")
    assert encodable("▁▅█", "cp1252") == "_+@"


def test_a_chart_is_the_mean_over_trainings_at_their_common_steps() -> None:
    lines = list(mermaid({"main PPO": [curve(1.0, 3.0, 9.0), curve(3.0, 5.0), curve(7.0), curve()]}))
    assert lines[0] == "```mermaid" and lines[-1] == "```"
    assert '  title "main PPO, mean of 2 of 4 trainings: score"' in lines
    assert '  x-axis "steps" [10, 20]' in lines and "  line [2, 4]" in lines
    assert '  y-axis "score" 1.9 --> 4.1' in lines


def test_stale_pruned_and_failed_trials_are_in_no_chart() -> None:
    _, trials = expanded(SMALL)
    own = [trial_status(trial, (), live=False, code_digest="", retries={}) for trial in trials[:2]]
    assert own[0].trial.variant is own[1].trial.variant
    curves = {one.trial.lineage_id: curve(*scores) for one, scores in zip(own, ((1.0, 3.0), (5.0, 9.0)), strict=True)}
    for state in State:
        statuses = [replace(own[0], state=State.DONE), replace(own[1], state=state)]
        rows = [{**trial_status_json(one), "rests": False, "steps_now": one.steps_done} for one in statuses]
        (line,) = (line for line in markdown_lines(rows, statuses, curves) if line.startswith("  line ["))
        included = state in (State.DONE, State.LIVE, State.WAITING)
        assert line == ("  line [3, 6]" if included else "  line [1, 3]"), state


def test_a_variant_without_a_curve_has_no_chart() -> None:
    assert list(mermaid({"one point": [curve(1.0)], "none": [curve()], "nobody": []})) == []
