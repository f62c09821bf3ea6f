"""Names, paths and formats that the writer and the reader must share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.kernel.reading.json_text import Unreadable
from orchestrator.kernel.wire import (
    FileEntry,
    Ticket,
    canonical_json,
    checkpoint_stem,
    checkpoint_steps,
    digest_of,
    models_path,
    parse_report,
    report_line,
)
from tests.unit.kernel.makers import make_ticket

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


def test_the_models_path_has_the_same_form_under_every_root() -> None:
    section = "section_7_6_rl_performance"
    assert models_path(Path("validation_ch7"), section).as_posix() == (
        "validation_ch7/section_7_6_rl_performance/data/models"
    )
    assert models_path(Path("r/elonmj_arz-x"), section).as_posix() == (
        "r/elonmj_arz-x/section_7_6_rl_performance/data/models"
    )
    assert models_path(Path("v"), section, "0a1b2c3d").as_posix() == (
        "v/section_7_6_rl_performance/trials/0a1b2c3d/data/models"
    )


@given(st.integers(min_value=0, max_value=10**12))
def test_the_steps_are_read_back_from_a_checkpoint_stem(steps: int) -> None:
    assert checkpoint_steps(checkpoint_stem("traffic_light_control", steps)) == steps


@pytest.mark.parametrize("stem", ["best_model", "x_checkpoint_steps", "x_checkpoint_1.5_steps", "final"])
def test_other_stems_have_no_steps(stem: str) -> None:
    assert checkpoint_steps(stem) is None


@given(st.dictionaries(st.text().filter(lambda name: name != "kind"), PLAIN))
def test_a_report_is_read_back_from_its_line(fields: dict[str, Any]) -> None:
    line = "2026-01-01 12:00 " + report_line("progress", **fields)
    assert "\n" not in line
    assert parse_report(line) == {"kind": "progress", **fields}


@pytest.mark.parametrize("line", ["", "hello", "[ORC] {broken", "[ORC] 3", '[ORC] {"no": "kind"}'])
def test_other_lines_are_no_reports(line: str) -> None:
    assert parse_report(line) is None


def test_nan_is_refused_in_canonical_json() -> None:
    with pytest.raises(ValueError, match="Out of range"):
        canonical_json({"delay": float("nan")})


def test_a_ticket_is_read_back_and_a_changed_spec_is_detected() -> None:
    ticket = make_ticket()
    plain = ticket.to_json()
    assert Ticket.from_json(plain) == ticket
    plain["spec"]["target_steps"] = 41
    with pytest.raises(ValueError, match="digest"):
        Ticket.from_json(plain)


@pytest.mark.parametrize("path", ["/x", "../x", "a/../../x", "..\\x", "C:x", "C:\\x", "//server/x", ".."])
@pytest.mark.parametrize("key", ["section", "section_dir", "scenario", "inputs"])
def test_a_ticket_that_names_a_path_outside_its_folder_is_refused(key: str, path: str) -> None:
    plain = make_ticket(inputs=(FileEntry(path="checkpoints/a.zip", size_bytes=1, sha256="a" * 64),)).to_json()
    assert Ticket.from_json(plain).inputs[0].path == "checkpoints/a.zip"
    if key == "scenario":
        plain["spec"] = {**plain["spec"], key: path}
        plain["spec_digest"] = digest_of(plain["spec"])
    else:
        plain[key] = path if key != "inputs" else [{**plain[key][0], "path": path}]
    with pytest.raises(Unreadable, match=key):
        Ticket.from_json(plain)


def test_another_wire_version_is_refused() -> None:
    with pytest.raises(ValueError, match="wire_version is 2, this code reads 1"):
        Ticket.from_json({**make_ticket().to_json(), "wire_version": 2})
