"""Mapping of Kaggle's answers: all states, refusals and errors, and both forms of logs."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kagglesdk.kernels.types.kernels_enums import KernelWorkerStatus

from orchestrator.backends.kaggle.client.errors import ServiceFault, clean, http_date, retry_after_s
from orchestrator.backends.kaggle.client.log_parser import (
    LineAssembler,
    assemble,
    ends_stream,
    event_of_sse,
    lines_of_log,
)
from orchestrator.backends.kaggle.client.mapping import STATES, SaveAnswer, observation
from orchestrator.backends.kaggle.session.download import confined
from orchestrator.backends.kaggle.session.push_errors import (
    conflict,
    fault_of_push,
    image_refused,
    lost_sources,
    refusal,
)
from orchestrator.core.errors import BadInput, NotYet, OutcomeUnknown
from orchestrator.core.session.backend_types import Carrier, CheckpointSet, Push, SessionState
from orchestrator.core.session.end_reason import EndReason
from tests.unit.kernel.makers import make_ticket

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
    [
        *((None, True, True), (500, True, True), (502, True, True), (503, True, True), (504, True, True)),
        *((501, False, True), (599, False, True)),
        *((408, True, False), (425, True, False), (429, True, False)),
        *((400, False, False), (404, False, False), (409, False, False), (499, False, False)),
    ],
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
        ("Mon, 23 Nov 2026 12:01:30 -0000", 90.0),
        ("Mon, 23 Nov 2026 14:01:30 +0200", 90.0),
        ("Wed, 25 Nov 2026 12:00:00 GMT", 86_400.0),
        (" 7 ", 7.0),
        ("86401", 86_400.0),
        ("99999999999999999999", 86_400.0),
        ("1.5", None),
        ("-5", None),
        ("\u00b2", None),
        ("Mon, 99 Nov 2026 12:00:00 GMT", None),
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


def test_a_fault_says_what_was_asked_what_came_and_what_to_do() -> None:
    fault = ServiceFault("push", status=401, message="expired")
    assert str(fault) == "Kaggle, push: HTTP 401, expired" and "create a new token" in fault.remedy
    assert str(ServiceFault("log", status=500, message="")) == "Kaggle, log: HTTP 500"
    lost = ServiceFault("push", status=None, message="")
    assert str(lost) == "Kaggle, push: no answer" and "status.kaggle.com" in lost.remedy
    remedies = {status: ServiceFault("x", status=status, message="").remedy for status in (400, 403, 404, 429, 500)}
    assert len(set(remedies.values())) == 5 and "phone" in remedies[403] and "later" in remedies[429]


def test_a_date_without_a_zone_is_utc() -> None:
    assert http_date("Mon, 23 Nov 2026 12:00:00 -0000") == NOW == http_date("Mon, 23 Nov 2026 13:00:00 +0100")
    assert http_date("") is None and http_date("no date") is None


@pytest.mark.parametrize(
    ("fault", "kind", "wait_s"),
    [
        (ServiceFault("push", status=429, message="", retry_after_s=30.0), NotYet, 30.0),
        (ServiceFault("push", status=429, message=""), NotYet, 60.0),
        (ServiceFault("push", status=None, message=""), OutcomeUnknown, None),
        (ServiceFault("push", status=500, message=""), OutcomeUnknown, None),
        (ServiceFault("push", status=409, message="Dataset is being created"), NotYet, 15.0),
        (ServiceFault("push", status=409, message="title in use"), BadInput, None),
        (ServiceFault("push", status=410, message="Dataset is being created"), BadInput, None),
        (ServiceFault("push", status=401, message=""), ServiceFault, None),
        (ServiceFault("push", status=403, message=""), ServiceFault, None),
        (ServiceFault("push", status=400, message="Maximum batch GPU session count of 2 reached"), NotYet, 120.0),
        (ServiceFault("push", status=400, message=""), BadInput, None),
    ],
)
def test_a_failed_push_is_waited_out_looked_up_or_refused(
    fault: ServiceFault, kind: type[Exception], wait_s: float | None
) -> None:
    problem = fault_of_push(fault)
    assert type(problem) is kind
    assert getattr(problem, "wait_s", None) == wait_s
    if fault.status == 400 and kind is BadInput:
        assert str(problem) == "Kaggle refused the push: HTTP 400"


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("Dataset is still PROCESSING", NotYet),
        ("dataset processed soon", NotYet),
        ("it is not ready", NotYet),
        ("it is not yet ready", NotYet),
        ("the process of elimination", BadInput),
    ],
)
def test_the_words_of_a_conflict_decide(words: str, kind: type[Exception]) -> None:
    assert type(conflict(words)) is kind


@pytest.mark.parametrize(("words", "wait_s"), [("MAXIMUM GPU SESSION COUNT", 120.0), ("Your quota was exceeded", None)])
def test_limits_are_recognised_in_any_case_and_order(words: str, wait_s: float | None) -> None:
    problem = refusal(SaveAnswer(ref="", version=None, error=words), "k", None)
    assert isinstance(problem, NotYet) and (problem.wait_s, problem.until) == (wait_s, None)


def test_a_refused_image_has_the_remedy_and_every_other_problem_stays_as_it_is() -> None:
    push = Push(
        slug="k",
        owner="ana",
        script="",
        ticket=make_ticket(),
        carrier=Carrier.INLINE,
        checkpoints=CheckpointSet(root=Path(), entries=()),
        settings={"docker_image": "gcr.io/old"},
        keeps_image=True,
    )
    problem = image_refused(BadInput("no such image"), push)
    assert "gcr.io/old" in str(problem) and "--new-image" in problem.remedy
    wait = NotYet("full")
    assert image_refused(wait, push) is wait
    other = BadInput("no such image")
    assert image_refused(other, replace(push, keeps_image=False)) is other
