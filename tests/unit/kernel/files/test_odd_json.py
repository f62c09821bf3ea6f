"""JSON of any shape is read as a manifest or reported as damage; no other exception is raised."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.core.session.backend_types import Observation, SessionState
from orchestrator.core.session.judgement import judge
from orchestrator.kernel.outcome import KernelEnding, SectionOutcome
from orchestrator.kernel.reading.json_text import MAX_DEPTH, read_json
from orchestrator.kernel.session.manifest import Manifest, read_manifest, write_manifest
from orchestrator.kernel.wire import MANIFEST_NAME, REPORT_TAG, parse_report
from orchestrator.stores.session.results import ResultsTree
from tests.unit.kernel.makers import make_ticket

TICKET = make_ticket()
ODD: list[Any] = [None, 5, -1, 2**80, 1.5, True, "", "x" * 5000, [], [5], {}, {"a": {}}, [[1]], "a\0b"]


def _plain(folder: Path) -> dict[str, Any]:
    outcome = SectionOutcome(ending=KernelEnding.FINISHED, steps_start=0, steps_done=40)
    write_manifest(
        folder,
        ticket=TICKET,
        outcome=outcome,
        error=None,
        started_at="",
        ended_at="",
        timings_s={"wall": 1.0},
        preflight={},
    )
    plain: dict[str, Any] = json.loads((folder / MANIFEST_NAME).read_text("utf-8"))
    return plain


def _read_and_judge(folder: Path, text: str) -> None:
    """Read and judge a manifest with this text; the values kept from it must be valid JSON."""
    (folder / MANIFEST_NAME).write_text(text, encoding="utf-8")
    manifest, faults = ResultsTree(folder.parent).manifest(folder)
    judged = judge(TICKET, Observation(state=SessionState.ENDED, native="COMPLETE"), manifest, faults)
    kept = (judged.score, judged.numbers, judged.wall_s, judged.steps_done, judged.problems, judged.trained_steps)
    json.dumps(kept, allow_nan=False, ensure_ascii=False).encode("utf-8")


@pytest.mark.parametrize("odd", ODD, ids=[f"odd{number}" for number in range(len(ODD))])
def test_any_field_may_have_any_value(tmp_path: Path, odd: Any) -> None:
    folder = tmp_path / "x"
    folder.mkdir()
    plain = _plain(folder)
    for name in plain:
        _read_and_judge(folder, json.dumps({**plain, name: odd}))
        _read_and_judge(folder, json.dumps({key: value for key, value in plain.items() if key != name}))
    for name in ("path", "size_bytes", "sha256"):
        entry = {"path": "a.csv", "size_bytes": 1, "sha256": "0" * 64, name: odd}
        for files in ("files", "inputs"):
            _read_and_judge(folder, json.dumps({**plain, files: [entry]}))


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"a":' * 100_000,
        "NaN",
        "1e999",
        "Infinity",
        '"\\udc80"',
        "",
        "{",
        "[" * 80 + "]" * 80,
        "1" * 9000,
    ],
)
def test_invalid_or_extreme_json_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        read_json(text)
    with pytest.raises(ValueError):
        read_json(f'{{"a": {text}}}')


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=12,
    )
)
def test_any_value_of_any_field_is_read_or_reported(tmp_path: Path, value: Any) -> None:
    folder = tmp_path / "x"
    folder.mkdir(exist_ok=True)
    (folder / MANIFEST_NAME).unlink(missing_ok=True)
    plain = _plain(folder)
    for name in ("summary", "training", "preflight", "stamp", "spec", "timings_s", "files", "verdict_reasons"):
        _read_and_judge(folder, json.dumps({**plain, name: value}))


def test_ordinary_json_is_read_unchanged() -> None:
    value = {"a": [1, 2.5, None, True, "é\u2028"], "b": {}}
    assert read_json(json.dumps(value)) == value
    deepest: Any = 1
    for _ in range(MAX_DEPTH - 1):
        deepest = [deepest]
    assert read_json(json.dumps(deepest)) == deepest


def test_a_manifest_is_read_as_written(tmp_path: Path) -> None:
    plain = _plain(tmp_path)
    read = read_manifest(tmp_path)
    assert read == Manifest.from_json(plain)


@pytest.mark.parametrize("body", ["[" * 100_000, '{"kind": ' + "[" * 100_000, "null", "5", '{"kind"'])
def test_a_damaged_report_is_no_report(body: str) -> None:
    assert parse_report(REPORT_TAG + body) is None
