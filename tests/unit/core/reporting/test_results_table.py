"""The tables of end reasons are complete, and every run ends."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.run.progress import MAX_FRUITLESS_SESSIONS, RunProgress, next_step
from orchestrator.core.session.backend_types import SessionState
from orchestrator.core.session.end_reason import EFFECTS, OF_KERNEL, REMEDIES, Effect, EndReason
from orchestrator.core.session.polling import pause_s
from orchestrator.kernel.outcome import KernelEnding


def test_every_end_reason_has_an_effect_and_every_failure_a_remedy() -> None:
    assert set(EFFECTS) == set(EndReason)
    assert set(OF_KERNEL) == set(KernelEnding)
    assert set(REMEDIES) == {reason for reason, effect in EFFECTS.items() if effect is not Effect.GO_ON}


def test_only_the_ended_state_is_terminal() -> None:
    assert [state for state in SessionState if state.terminal] == [SessionState.ENDED]


def test_no_session_starts_at_the_target() -> None:
    decision = next_step(RunProgress(steps_done=100, target_steps=100))
    assert (decision.start_session, decision.end) == (False, "at_target")


def test_a_paused_session_is_followed_by_the_next() -> None:
    progress = RunProgress(steps_done=0, target_steps=100).after(EndReason.PAUSED, 40)
    assert next_step(progress).start_session
    assert not next_step(progress).same_session


@pytest.mark.parametrize("reason", [EndReason.CRASHED, EndReason.CARRIER_MISSING])
def test_a_failure_without_progress_is_repeated_a_few_times(reason: EndReason) -> None:
    progress = RunProgress(steps_done=0, target_steps=100)
    for _ in range(MAX_FRUITLESS_SESSIONS - 1):
        progress = progress.after(reason, 0)
        assert next_step(progress).same_session
    progress = progress.after(reason, 0)
    assert next_step(progress).end == "stuck"


def test_a_crash_that_saved_a_checkpoint_continues_from_it() -> None:
    progress = RunProgress(steps_done=0, target_steps=100).after(EndReason.CRASHED, 40)
    decision = next_step(progress)
    assert decision.start_session
    assert not decision.same_session


@pytest.mark.parametrize("reason", [EndReason.SECTION_FAILED, EndReason.REFUSED, EndReason.STALE_RESULTS])
def test_a_failure_that_would_recur_is_not_repeated(reason: EndReason) -> None:
    assert next_step(RunProgress(steps_done=0, target_steps=100).after(reason, 0)).end == reason.value


def test_a_target_reached_without_its_evaluation_is_not_finished() -> None:
    progress = RunProgress(steps_done=0, target_steps=100).after(EndReason.PAUSED, 100)
    assert next_step(progress).start_session
    assert next_step(progress.after(EndReason.FINISHED, 100)).end == "finished"


@given(st.lists(st.tuples(st.sampled_from(EndReason), st.integers(-5, 30)), min_size=400, max_size=400))
def test_every_run_ends_with_a_reason(history: list[tuple[EndReason, int]]) -> None:
    progress, sessions = RunProgress(steps_done=0, target_steps=100), 0
    for reason, gain in history:
        decision = next_step(progress)
        if not decision.start_session:
            assert decision.end
            return
        sessions += 1
        progress = progress.after(reason, max(0, progress.steps_done + gain))
    # At worst each of the 100 steps took one session with progress and MAX_FRUITLESS_SESSIONS - 1 without.
    assert sessions <= 100 * MAX_FRUITLESS_SESSIONS
    raise AssertionError("the run did not end")


@given(st.integers(0, 10**9))
def test_pauses_between_polls_stay_within_the_backends_limits(polls: int) -> None:
    assert 2.0 <= pause_s(polls, (2.0, 60.0)) <= 60.0
    assert pause_s(polls, (2.0, 60.0)) <= pause_s(polls + 1, (2.0, 60.0))
