"""Mapping of Kaggle's answers: all states, refusals and errors, and both forms of logs."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kagglesdk.kernels.types.kernels_enums import KernelWorkerStatus

from orchestrator.backends.kaggle.client.errors import ServiceFault, clean, retry_after_s
from orchestrator.backends.kaggle.client.log_parser import (
    LineAssembler,
    assemble,
    ends_stream,
    event_of_sse,
    lines_of_log,
)
from orchestrator.backends.kaggle.client.mapping import STATES, SaveAnswer, observation
from orchestrator.backends.kaggle.session.download import confined
from orchestrator.backends.kaggle.session.push_errors import conflict, lost_sources, refusal
from orchestrator.core.errors import BadInput, NotYet, OutcomeUnknown
from orchestrator.core.session.backend_types import SessionState
from orchestrator.core.session.end_reason import EndReason

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def test_every_state_of_the_client_is_in_the_table() -> None:
    assert set(STATES) == {member.name for member in KernelWorkerStatus}


def test_only_three_states_are_terminal_and_a_requested_cancel_is_not() -> None:
    ends = {name for name in STATES if observation(name).state.terminal}
    assert ends == {"COMPLETE", "ERROR", "CANCEL_ACKNOWLEDGED"}
    assert observation("CANCEL_REQUESTED").state is SessionState.SAVING


@given(st.text(max_size=30).filter(lambda word: word not in STATES))
def test_an_unknown_state_is_shown_and_not_terminal(word: str) -> None:
    observed = observation(word)
    assert observed.state is SessionState.UNKNOWN
    assert observed.native == word


@pytest.mark.parametrize(
    ("status", "words", "reason"),
    [
        ("ERROR", "Your notebook timed out", EndReason.WALL_LIMIT),
        ("ERROR", "It was stopped because it exceeded the max allowed execution duration.", EndReason.WALL_LIMIT),
        ("CANCEL_ACKNOWLEDGED", "Session exceeded the allowed time limit", EndReason.WALL_LIMIT),
        ("CANCEL_ACKNOWLEDGED", "", EndReason.CANCELLED),
        ("ERROR", "out of memory", None),
        ("COMPLETE", "", None),
    ],
)
def test_the_end_reason_follows_from_the_services_message(status: str, words: str, reason: EndReason | None) -> None:
    assert observation(status, words).reason is reason


@pytest.mark.parametrize(
    ("words", "kind", "until"),
    [
        ("Maximum batch GPU session count of 2 reached.", NotYet, None),
        ("Maximum batch CPU session count of 5 reached.", NotYet, None),
        ("Maximum weekly GPU quota of 30.00 hours reached.", NotYet, NOW),
        ("Maximum weekly GPU quota of 45.00 hours reached.", NotYet, NOW),
        ("Notebook not found", BadInput, None),
        ("Kernel not found", BadInput, None),
    ],
)
def test_an_error_inside_a_successful_answer_is_a_refusal(
    words: str, kind: type[Exception], until: datetime | None
) -> None:
    problem = refusal(SaveAnswer(ref="o/k", version=1, error=words), "k", NOW)
    assert isinstance(problem, kind)
    assert words in str(problem)
    assert getattr(problem, "until", None) == until


@pytest.mark.parametrize("answer", [SaveAnswer(ref="", version=1), SaveAnswer(ref="o/k", version=None)])
def test_a_push_answer_without_reference_or_version_is_undecided(answer: SaveAnswer) -> None:
    problem = refusal(answer, "k", None)
    assert isinstance(problem, OutcomeUnknown)
    assert isinstance(problem.if_absent, BadInput)


def test_an_accepted_push_reports_its_lost_inputs() -> None:
    answer = SaveAnswer(ref="o/k", version=1, invalid_sources={"kernel": ("o/before",)})
    assert refusal(answer, "k", None) is None
    assert lost_sources(answer) == ("kernel o/before",)


def test_a_conflict_waits_only_while_a_dataset_is_processed() -> None:
    assert isinstance(conflict("Dataset is still being processed"), NotYet)
    assert isinstance(conflict("The requested title is already in use"), BadInput)


def test_an_error_text_has_no_signature_and_no_control_character() -> None:
    fault = ServiceFault("x", status=403, message="see https://h/x?Signature=s3cret\x1b[31m now\nplease")
    assert "s3cret" not in str(fault)
    assert "\x1b" not in str(fault)
    assert clean("a" * 5000) == "a" * 400


@pytest.mark.parametrize(
    ("status", "transient", "undecided"),
    [(None, True, True), (500, True, True), (503, True, True), (429, True, False), (404, False, False)],
)
def test_each_http_status_is_transient_or_not_and_undecided_or_not(
    status: int | None, transient: bool, undecided: bool
) -> None:
    fault = ServiceFault("x", status=status, message="")
    assert (fault.transient, fault.undecided) == (transient, undecided)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120.0),
        ("Mon, 23 Nov 2026 12:01:30 GMT", 90.0),
        ("Mon, 23 Nov 2026 11:00:00 GMT", 0.0),
        ("soon", None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after_is_read_as_seconds_and_as_a_date(header: str | None, seconds: float | None) -> None:
    assert retry_after_s(header, NOW) == seconds


@given(st.lists(st.text(st.characters(exclude_characters="\n\r", exclude_categories=["Cs"])), max_size=8), st.data())
def test_a_log_in_any_pieces_gives_the_same_lines(lines: list[str], data: st.DataObject) -> None:
    text = "".join(f"{line}\n" for line in lines)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))
    pieces = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    events = [{"stream_name": "stdout", "time": 0.1, "data": piece} for piece in pieces]
    assert list(assemble(events)) == lines
    assert lines_of_log(json.dumps(events)) == lines
    assert lines_of_log(text) == lines


def test_two_streams_are_not_mixed_within_a_line() -> None:
    assembler = LineAssembler()
    lines = [
        *assembler.feed({"stream_name": "stdout", "data": "ha"}),
        *assembler.feed({"stream_name": "stderr", "data": "E\n"}),
    ]
    assert [*lines, *assembler.feed({"stream_name": "stdout", "data": "lf\n"})] == ["E", "half"]


def test_a_plain_log_that_starts_with_a_bracket_is_read_as_plain() -> None:
    assert lines_of_log("[ORC] {}\n[CHECKPOINT] x\n") == ["[ORC] {}", "[CHECKPOINT] x"]


def test_events_of_a_live_stream_are_parsed() -> None:
    assert event_of_sse('data: {"data": "x"}') == {"data": "x"}
    assert event_of_sse("data: no json") == {"data": "no json\n"}
    assert event_of_sse(": comment") is None
    assert event_of_sse("") is None
    assert ends_stream("data: END_OF_LOG")
    assert not ends_stream('data: {"data": "END_OF_LOG"}')


@pytest.mark.parametrize("path", ["/etc/passwd", "../x", "a/../../x", "C:/x", "a\\b", "", "a/..", "CON:", 'a"b', "a|b"])
def test_a_path_that_would_leave_its_folder_is_refused(path: str) -> None:
    assert not confined(path)


def test_ordinary_paths_are_accepted() -> None:
    assert confined("section_7_6_rl_performance/data/models/x_1_steps.zip")
    assert confined("a..b/c é.txt")
