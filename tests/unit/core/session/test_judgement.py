"""End reason, exit code and verdict are separate; success needs this session's own manifest."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from orchestrator.core.session.backend_types import Observation, SessionState
from orchestrator.core.session.end_reason import EFFECTS, Effect, EndReason
from orchestrator.core.session.judgement import Judgement, as_asked, judge
from orchestrator.kernel.outcome import EXIT_CODES, KernelEnding, SectionOutcome, Verdict
from orchestrator.kernel.session.manifest import Manifest
from orchestrator.kernel.wire import FileEntry, Ticket
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
