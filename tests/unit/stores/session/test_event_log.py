"""The event file of another session is refused; a truncated last line means a kill and is no damage."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from orchestrator.core.errors import RunFailed
from orchestrator.core.ledger.records import SessionRecord, Stage
from orchestrator.kernel.wire import EVENTS_NAME
from orchestrator.stores.session.event_log import evaluations_in, session_curve


def record(folder: Path | None, **changes: Any) -> SessionRecord:
    values: dict[str, Any] = {"steps_start": 100, "steps_done": 200, "ticket": {}, **changes}
    return SessionRecord(
        key="r/s01a1",
        run_id="r",
        lineage_id="a" * 64,
        session=1,
        attempt=1,
        slug="arz-s01",
        backend="local",
        nonce="n1",
        stage=Stage.CLOSED,
        planned_at="",
        results_dir=str(folder) if folder else None,
        **values,
    )


def write(folder: Path, *events: dict[str, Any], tail: str = "") -> Path:
    text = "".join(json.dumps(event) + "\n" for event in events)
    (folder / EVENTS_NAME).write_text(text + tail, encoding="utf-8")
    return folder


STARTED = {"kind": "started", "nonce": "n1"}
MEASURED = {"kind": "evaluated", "steps": 150, "score": -20.5, "measures": {"delay_s_per_veh": 20.5}}


def test_the_curve_has_the_most_steps_seen_and_every_evaluation(tmp_path: Path) -> None:
    folder = write(tmp_path, STARTED, MEASURED, {"kind": "progress", "steps": 260}, tail='{"kind": "prog')
    curve = session_curve(record(folder))
    assert curve is not None and (curve.steps_start, curve.steps_seen) == (100, 260)
    (point,) = curve.points
    assert (point.steps, point.score, point.measures, point.session) == (150, -20.5, MEASURED["measures"], "arz-s01")


def test_a_session_without_an_event_file_uses_its_ledger_row(tmp_path: Path) -> None:
    for folder in (tmp_path, None):
        curve = session_curve(record(folder))
        assert curve is not None and (curve.steps_seen, curve.points) == (200, ())
    assert session_curve(record(tmp_path, steps_start=None)) is None


def test_a_session_killed_without_a_report_starts_from_its_input_checkpoint(tmp_path: Path) -> None:
    given = {"inputs": [{"path": f"checkpoints/x_checkpoint_{steps}_steps.zip"} for steps in (90, 120)]}
    killed = {"steps_start": None, "steps_done": None, "handle": "local://local/arz-s01"}
    folder = write(tmp_path, STARTED, MEASURED, {"kind": "progress", "steps": 260})
    curve = session_curve(record(folder, **killed, ticket=given))
    assert curve is not None and (curve.steps_start, curve.steps_seen) == (120, 260)
    first = session_curve(record(folder, **killed))
    assert first is not None and (first.steps_start, first.steps_seen) == (0, 260)


def test_the_file_of_another_session_is_refused(tmp_path: Path) -> None:
    write(tmp_path, {**STARTED, "nonce": "n0"}, MEASURED)
    with pytest.raises(RunFailed, match="written by another session than arz-s01"):
        session_curve(record(tmp_path))


def test_damage_before_the_last_line_is_reported(tmp_path: Path) -> None:
    (tmp_path / EVENTS_NAME).write_text(json.dumps(STARTED) + '\n{"kind": \n' + json.dumps(MEASURED) + "\n")
    with pytest.raises(RunFailed, match="line 2, cannot be read"):
        session_curve(record(tmp_path))


@pytest.mark.parametrize(
    "line",
    [
        '{"kind": "evaluated", "steps": {}, "score": []}',
        '{"kind": "evaluated"}',
        '{"kind": "evaluated", "steps": 5, "score": null}',
        '{"kind": "evaluated", "steps": true, "score": 1.0}',
        '{"kind": "evaluated", "steps": 5, "score": 1.0, "measures": 7, "steps_per_s": "x"}',
        '{"kind": "progress", "steps": -1}',
        '{"kind": ["evaluated"], "nonce": {}}',
        "[]",
    ],
)
def test_an_event_of_an_unexpected_shape_is_ignored(tmp_path: Path, line: str) -> None:
    folder = write(tmp_path, STARTED, tail=line + "\n" + json.dumps(MEASURED) + "\n")
    curve = session_curve(record(folder))
    assert curve is not None and curve.steps_seen == 200
    assert (150, -20.5) in [(point.steps, point.score) for point in curve.points]
    assert (150, -20.5) in evaluations_in(folder)


@pytest.mark.parametrize("value", ["[" * 100_000, "NaN", "1e999", "Infinity"])
def test_a_line_that_is_no_json_is_reported_as_damage(tmp_path: Path, value: str) -> None:
    line = '{"kind": "evaluated", "steps": 5, "score": ' + value + "}\n"
    folder = write(tmp_path, STARTED, tail=line + json.dumps(MEASURED) + "\n")
    with pytest.raises(RunFailed, match="line 2, cannot be read"):
        session_curve(record(folder))
    assert evaluations_in(folder) == ((150, -20.5),)
