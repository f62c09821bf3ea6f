"""What a run remembers of its sessions when the command that carried them is gone."""

from __future__ import annotations

import pytest

from orchestrator.core.ledger.records import SessionRecord, Stage
from orchestrator.core.run.progress import RunProgress, next_step, progress_from_history
from orchestrator.core.session.end_reason import EndReason


def closed(number: int, end: str, steps: int, *, attempt: int = 1, **traits: object) -> SessionRecord:
    return SessionRecord(
        key=f"r/s{number:02d}a{attempt}",
        run_id="r",
        lineage_id="c" * 64,
        session=number,
        attempt=attempt,
        slug="s",
        backend="local",
        nonce="n",
        ticket={},
        stage=Stage.CLOSED,
        planned_at="2026-01-01T00:00:00+00:00",
        end_reason=end,
        models_steps=steps,
        **traits,  # type: ignore[arg-type]
    )


def test_what_is_recalled_is_what_the_loop_would_have_kept() -> None:
    ends = [("paused", 40), ("crashed", 40), ("wall_limit", 40), ("crashed", 60), ("crashed", 60)]
    kept = RunProgress(steps_done=0, target_steps=100)
    for end, steps in ends:
        kept = kept.after(EndReason(end), steps)
    records = [closed(number, end, steps) for number, (end, steps) in enumerate(ends, start=1)]
    assert progress_from_history(records, steps_start=0, target_steps=100) == kept
    assert kept.fruitless == 1


def test_three_fruitless_sessions_of_three_commands_are_stuck() -> None:
    records = [closed(1, "crashed", 0, attempt=attempt) for attempt in (1, 2, 3)]
    standing = progress_from_history(records, steps_start=0, target_steps=100)
    assert standing is not None and next_step(standing).end == "stuck"


def test_a_lost_push_counts_and_a_refused_one_does_not() -> None:
    lost = closed(1, "never_submitted", 0, lost=2)
    refused = closed(1, "never_submitted", 0, problems=("all slots are taken",))
    standing = progress_from_history([lost], steps_start=0, target_steps=100)
    assert standing is not None and standing.fruitless == 3 and next_step(standing).end == "stuck"
    assert progress_from_history([refused], steps_start=0, target_steps=100) is None


@pytest.mark.parametrize("records", [[], [closed(1, "paused", None)]])  # type: ignore[arg-type]
def test_an_old_ledger_that_cannot_say_is_not_guessed_at(records: list[SessionRecord]) -> None:
    assert progress_from_history(records, steps_start=0, target_steps=100) is None


def test_sessions_without_room_never_make_a_run_stuck_and_end_it_with_their_reason() -> None:
    standing = RunProgress(steps_done=20, target_steps=100)
    for _ in range(9):
        standing = standing.after(EndReason.DISK_FULL, 20)
    assert standing.fruitless == 0
    assert next_step(standing).end == "disk_full" and not next_step(standing).start_session
    assert next_step(standing.after(EndReason.CRASHED, 20)).start_session


def test_after_a_walk_back_progress_is_measured_from_the_parent() -> None:
    """The steps in place went back because this program put them back: nobody emptied anything."""
    records = [
        closed(1, "paused", 100, steps_start=0),
        closed(2, "crashed", 100, steps_start=100),
        closed(3, "crashed", 100, steps_start=100),
        closed(4, "paused", 70, steps_start=50),
    ]
    standing = progress_from_history(records, steps_start=0, target_steps=200)
    assert standing is not None
    assert (standing.steps_done, standing.moved_on, standing.emptied, standing.fruitless) == (70, True, False, 0)
    back = progress_from_history(records[:3], steps_start=0, target_steps=200)
    assert back is not None and not back.back_at(50).after(EndReason.PAUSED, 70).emptied


def test_an_unusable_checkpoint_is_followed_by_a_session_of_its_own() -> None:
    decision = next_step(RunProgress(steps_done=40, target_steps=100).after(EndReason.CHECKPOINT_UNUSABLE, 40))
    assert (decision.start_session, decision.same_session) == (True, False)
