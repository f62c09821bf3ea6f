"""End reason, exit code and verdict are separate; success needs this session's own manifest."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from orchestrator.core.session.backend_types import Observation, SessionState
from orchestrator.core.session.end_reason import EFFECTS, Effect, EndReason
from orchestrator.core.session.judgement import Judgement, as_asked, finite, judge, numbers_in
from orchestrator.kernel.outcome import EXIT_CODES, KernelEnding, SectionOutcome, Verdict
from orchestrator.kernel.session.manifest import Manifest
from orchestrator.kernel.wire import MANIFEST_NAME, FileEntry, Ticket
from tests.unit.kernel.makers import make_ticket


def _manifest(ticket: Ticket, ending: KernelEnding = KernelEnding.FINISHED, **change: Any) -> Manifest:
    manifest = Manifest(
        stamp=ticket.stamp(),
        spec=dict(ticket.spec),
        started_at="",
        ended_at="",
        exit_code=EXIT_CODES[ending],
        error=None,
        outcome=SectionOutcome(ending=ending, steps_start=0, steps_done=40, verdict=Verdict.SUPPORTED),
        inputs=ticket.inputs,
        files=(),
        timings_s={},
    )
    return replace(manifest, **change)


def _ended(exit_code: int | None, reason: EndReason | None = None) -> Observation:
    return Observation(state=SessionState.ENDED, native="COMPLETE", exit_code=exit_code, reason=reason)


def test_a_finished_session_has_its_end_reason_exit_code_and_verdict() -> None:
    ticket = make_ticket()
    judgement = judge(ticket, _ended(0), _manifest(ticket), ())
    assert (judgement.end_reason, judgement.exit_code, judgement.verdict) == (
        EndReason.FINISHED,
        0,
        Verdict.SUPPORTED,
    )


def test_complete_without_a_manifest_is_not_a_success() -> None:
    judgement = judge(make_ticket(), _ended(1), None, ())
    assert (judgement.end_reason, judgement.exit_code) == (EndReason.CRASHED, 1)
    assert judgement.verdict is None
    assert judgement.problems == ("the session wrote no manifest",)
    assert judge(make_ticket(), _ended(0), None, ()).end_reason is EndReason.CRASHED


def test_a_finished_session_that_is_called_cancelled_is_finished() -> None:
    ticket = make_ticket()
    judgement = judge(ticket, _ended(None, EndReason.CANCELLED), _manifest(ticket), ())
    assert (judgement.end_reason, judgement.exit_code) == (EndReason.FINISHED, 0)
    assert judge(ticket, _ended(None, EndReason.CANCELLED), None, ()).end_reason is EndReason.CANCELLED


def test_a_wall_limit_is_not_a_crash() -> None:
    assert judge(make_ticket(), _ended(-9, EndReason.WALL_LIMIT), None, ()).end_reason is EndReason.WALL_LIMIT


def test_a_full_disk_without_a_manifest_is_recognised_by_its_exit_code() -> None:
    assert judge(make_ticket(), _ended(EXIT_CODES[KernelEnding.DISK_FULL]), None, ()).end_reason is EndReason.DISK_FULL
    assert list(EXIT_CODES.values()).count(EXIT_CODES[KernelEnding.DISK_FULL]) == 1


@pytest.mark.parametrize("field", sorted(make_ticket().stamp()))
def test_results_of_another_session_are_refused(field: str) -> None:
    ticket = make_ticket()
    foreign = _manifest(ticket, stamp={**ticket.stamp(), field: "another"})
    judgement = judge(ticket, _ended(0), foreign, ())
    assert judgement.end_reason is EndReason.STALE_RESULTS
    assert judgement.verdict is None
    assert field in judgement.problems[0]


def test_a_manifest_with_another_spec_is_a_stale_result() -> None:
    ticket = make_ticket()
    judgement = judge(ticket, _ended(0), _manifest(ticket, spec={**ticket.spec, "target_steps": 5000}), ())
    assert judgement.end_reason is EndReason.STALE_RESULTS
    assert "another spec" in judgement.problems[0]


def test_a_manifest_with_other_inputs_is_a_stale_result() -> None:
    ticket = make_ticket(inputs=(FileEntry(path="checkpoints/a.zip", size_bytes=1, sha256="a" * 64),))
    judgement = judge(ticket, _ended(0), _manifest(ticket, inputs=()), ())
    assert judgement.end_reason is EndReason.STALE_RESULTS


def test_an_exit_code_that_contradicts_the_manifest_is_a_crash() -> None:
    ticket = make_ticket()
    judgement = judge(ticket, _ended(139), _manifest(ticket), ())
    assert (judgement.end_reason, judgement.exit_code, judgement.verdict) == (EndReason.CRASHED, 139, None)


def test_numbers_from_damaged_outputs_are_not_used() -> None:
    ticket = make_ticket()
    judgement = judge(ticket, _ended(0), _manifest(ticket), ("metrics.csv does not have its sha256",))
    assert judgement.verdict is None
    assert judgement.problems


def test_a_failed_section_keeps_its_error_text() -> None:
    ticket = make_ticket()
    manifest = _manifest(ticket, KernelEnding.SECTION_FAILED, error="RuntimeError: boom")
    judgement = judge(ticket, _ended(1), manifest, ())
    assert (judgement.end_reason, judgement.exit_code, judgement.error) == (
        EndReason.SECTION_FAILED,
        1,
        "RuntimeError: boom",
    )


@pytest.mark.parametrize("end", list(EndReason))
def test_the_early_end_of_a_session_that_was_asked_to_stop_is_no_failure_and_is_not_repeated(end: EndReason) -> None:
    asked = as_asked(Judgement(end_reason=end, exit_code=None)).end_reason
    assert EFFECTS[asked] is not Effect.TRY_AGAIN
    if end is EndReason.PAUSED:
        assert asked is EndReason.STOPPED
    elif EFFECTS[end] is not Effect.TRY_AGAIN:
        assert asked is end  # finished, failed, refused: its own account stands


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (3, 3.0),
        (-0.5, -0.5),
        (True, None),
        ("1.5", None),
        (None, None),
        ([1.0], None),
        (float("nan"), None),
        (float("inf"), None),
        (float("-inf"), None),
        (10**400, None),
    ],
)
def test_only_finite_numbers_are_numbers(value: object, number: float | None) -> None:
    assert finite(value) == number
    assert isinstance(finite(value), float) is (number is not None)


def test_the_numbers_of_a_summary_have_the_path_of_their_keys() -> None:
    summary = {"delay_s": 20, "ours": {"delay_s": 17.5, "of": {"queue": 3}}, "note": "x", "bad": float("nan")}
    assert dict(numbers_in(summary)) == {"delay_s": 20.0, "ours.delay_s": 17.5, "ours.of.queue": 3.0}


@pytest.mark.parametrize(("start", "done", "trained"), [(10, 40, 30), (None, 40, 40), (40, 40, 0), (40, 10, 0)])
def test_a_session_trained_the_steps_beyond_its_start(start: int | None, done: int, trained: int) -> None:
    judgement = Judgement(end_reason=EndReason.PAUSED, exit_code=0, steps_start=start, steps_done=done)
    assert judgement.trained_steps == trained
    nothing = Judgement(end_reason=EndReason.CRASHED, exit_code=None)
    assert (nothing.trained_steps, nothing.no_claim, nothing.problems) == (0, False, ())


def test_without_a_manifest_the_reason_of_the_backend_comes_before_the_exit_code() -> None:
    full = EXIT_CODES[KernelEnding.DISK_FULL]
    assert judge(make_ticket(), _ended(full, EndReason.WALL_LIMIT), None, ()).end_reason is EndReason.WALL_LIMIT
    unknown = judge(make_ticket(), _ended(None), None, ())
    assert (unknown.end_reason, unknown.exit_code) == (EndReason.CRASHED, None)


def test_a_manifest_that_could_not_be_fetched_was_not_left_unwritten() -> None:
    lacking = (f"{MANIFEST_NAME} could not be fetched: HTTP 500", "kernel.log could not be fetched: HTTP 500")
    judgement = judge(make_ticket(), _ended(0), None, ("a fault",), lacking)
    assert judgement.problems == ("a fault", *lacking) and judgement.lacking == lacking
    other = judge(make_ticket(), _ended(0), None, (), lacking[1:])
    assert other.problems == ("the session wrote no manifest", lacking[1])


def test_outputs_that_could_not_be_fetched_leave_the_verdict() -> None:
    ticket = make_ticket()
    summary = {"delay_s": 20.0}
    outcome = replace(_manifest(ticket).outcome, summary=summary, training={"best_model_score": 2})
    manifest = _manifest(ticket, outcome=outcome, timings_s={"wall": 12.5}, started_at="2026-01-02T03:04:05+00:00")
    judgement = judge(ticket, _ended(None), manifest, (), ("loss.png could not be fetched",))
    assert (judgement.verdict, judgement.numbers, judgement.score) == (Verdict.SUPPORTED, summary, 2.0)
    assert judgement.problems == judgement.lacking == ("loss.png could not be fetched",)
    assert (judgement.exit_code, judgement.wall_s, judgement.target_steps) == (0, 12.5, 40)
    assert (judgement.started_at, judgement.ended_at) == ("2026-01-02T03:04:05+00:00", None)
    damaged = judge(ticket, _ended(0), manifest, ("metrics.csv does not have its sha256",))
    assert (damaged.numbers, damaged.verdict, damaged.end_reason) == (None, None, EndReason.FINISHED)


def test_a_paused_session_has_no_numbers_and_makes_no_claim() -> None:
    ticket = make_ticket()
    outcome = SectionOutcome(ending=KernelEnding.PAUSED, steps_done=20, claim=False, summary={"delay_s": 20.0})
    judgement = judge(ticket, _ended(0), _manifest(ticket, KernelEnding.PAUSED, outcome=outcome), ())
    assert (judgement.numbers, judgement.no_claim, judgement.end_reason) == (None, False, EndReason.PAUSED)


def test_a_finished_section_that_draws_no_conclusion_has_numbers_and_no_verdict() -> None:
    ticket = make_ticket()
    outcome = SectionOutcome(ending=KernelEnding.FINISHED, steps_done=40, claim=False, summary={"delay_s": 20.0})
    judgement = judge(ticket, _ended(0), _manifest(ticket, outcome=outcome), ())
    assert (judgement.no_claim, judgement.verdict, judgement.numbers) == (True, None, {"delay_s": 20.0})
    damaged = judge(ticket, _ended(0), _manifest(ticket, outcome=outcome), ("metrics.csv is missing",))
    assert (damaged.no_claim, damaged.numbers) == (False, None)


def test_the_backends_reason_for_an_end_that_contradicts_the_manifest_is_kept() -> None:
    ticket = make_ticket()
    judgement = judge(ticket, _ended(137, EndReason.WALL_LIMIT), _manifest(ticket), ())
    assert (judgement.end_reason, judgement.exit_code, judgement.no_claim) == (EndReason.WALL_LIMIT, 137, False)
    assert judgement.problems == ("the process ended with 137, its manifest says 0",)


def test_the_same_files_in_another_order_are_the_same_inputs() -> None:
    files = tuple(FileEntry(path=f"checkpoints/{name}.zip", size_bytes=1, sha256=name * 64) for name in "ab")
    ticket = make_ticket(inputs=files)
    assert judge(ticket, _ended(0), _manifest(ticket, inputs=files[::-1]), ()).end_reason is EndReason.FINISHED
    changed = (files[0], replace(files[1], sha256="c" * 64))
    assert judge(ticket, _ended(0), _manifest(ticket, inputs=changed), ()).end_reason is EndReason.STALE_RESULTS


@pytest.mark.parametrize(
    ("ending", "reason", "end"),
    [
        (KernelEnding.PAUSED, EndReason.STOPPED, EndReason.STOPPED),
        (KernelEnding.PAUSED, None, EndReason.PAUSED),
        (KernelEnding.FINISHED, EndReason.STOPPED, EndReason.FINISHED),
    ],
)
def test_a_pause_that_a_person_asked_the_backend_for_is_a_stop(
    ending: KernelEnding, reason: EndReason | None, end: EndReason
) -> None:
    ticket = make_ticket()
    judgement = judge(ticket, _ended(EXIT_CODES[ending], reason), _manifest(ticket, ending), ())
    assert judgement.end_reason is end


def test_sentences_of_a_manifest_are_cut_at_two_thousand_characters() -> None:
    ticket, longest = make_ticket(), "x" * 2000
    outcome = SectionOutcome(ending=KernelEnding.PAUSED, resume_reasons=(longest, "y" * 2001))
    manifest = _manifest(ticket, KernelEnding.PAUSED, outcome=outcome)
    judgement = judge(ticket, _ended(None), manifest, (longest, "z" * 2001))
    assert judgement.resume_reasons == (longest, "y" * 1997 + "...")
    assert judgement.problems == (longest, "z" * 1997 + "...")


@pytest.mark.parametrize(
    ("stated", "wall_s"),
    [(0.0, 0.0), (5e-324, 0.0), (0.5, 0.5), (-0.5, None), (-1.0, None), (1e9, 1e9), (1e9 + 0.5, None)],
)
def test_a_session_took_from_nothing_to_a_thousand_million_seconds(stated: float, wall_s: float | None) -> None:
    ticket = make_ticket()
    assert judge(ticket, _ended(0), _manifest(ticket, timings_s={"wall": stated}), ()).wall_s == wall_s
