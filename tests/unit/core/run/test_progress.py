"""The progress of a run, rebuilt from the ledger by a later command."""

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
        **traits,  # type: ignore[arg-type]  # keyword arguments of several types
    )


def test_rebuilt_progress_equals_the_progress_kept_in_the_loop() -> None:
    ends = [("paused", 40), ("crashed", 40), ("wall_limit", 40), ("crashed", 60), ("crashed", 60)]
    expected = RunProgress(steps_done=0, target_steps=100)
    for end, steps in ends:
        expected = expected.after(EndReason(end), steps)
    records = [closed(number, end, steps) for number, (end, steps) in enumerate(ends, start=1)]
    assert progress_from_history(records, steps_start=0, target_steps=100) == expected
    assert expected.fruitless == 1


def test_three_sessions_without_progress_in_three_commands_are_stuck() -> None:
    records = [closed(1, "crashed", 0, attempt=attempt) for attempt in (1, 2, 3)]
    progress = progress_from_history(records, steps_start=0, target_steps=100)
    assert progress is not None and next_step(progress).end == "stuck"


def test_a_lost_push_counts_and_a_refused_one_does_not() -> None:
    lost = closed(1, "never_submitted", 0, lost=2)
    refused = closed(1, "never_submitted", 0, problems=("all slots are taken",))
    progress = progress_from_history([lost], steps_start=0, target_steps=100)
    assert progress is not None and progress.fruitless == 3 and next_step(progress).end == "stuck"
    assert progress_from_history([refused], steps_start=0, target_steps=100) is None


# A list of any records.
@pytest.mark.parametrize("records", [[], [closed(1, "paused", None)]])  # type: ignore[arg-type]
def test_a_ledger_without_the_needed_fields_gives_no_progress(records: list[SessionRecord]) -> None:
    assert progress_from_history(records, steps_start=0, target_steps=100) is None


def test_a_full_disk_ends_the_run_with_its_reason_and_never_as_stuck() -> None:
    progress = RunProgress(steps_done=20, target_steps=100)
    for _ in range(9):
        progress = progress.after(EndReason.DISK_FULL, 20)
    assert progress.fruitless == 0
    assert next_step(progress).end == "disk_full" and not next_step(progress).start_session
    assert next_step(progress.after(EndReason.CRASHED, 20)).start_session


def test_after_a_walk_back_progress_is_measured_from_the_parent() -> None:
    """The steps in place fell because of the walk back: the directory does not count as emptied."""
    records = [
        closed(1, "paused", 100, steps_start=0),
        closed(2, "crashed", 100, steps_start=100),
        closed(3, "crashed", 100, steps_start=100),
        closed(4, "paused", 70, steps_start=50),
    ]
    progress = progress_from_history(records, steps_start=0, target_steps=200)
    assert progress is not None
    assert (progress.steps_done, progress.moved_on, progress.emptied, progress.fruitless) == (70, True, False, 0)
    before_last_session = progress_from_history(records[:3], steps_start=0, target_steps=200)
    assert before_last_session is not None and not before_last_session.back_at(50).after(EndReason.PAUSED, 70).emptied


def test_an_unusable_checkpoint_leads_to_a_new_session() -> None:
    decision = next_step(RunProgress(steps_done=40, target_steps=100).after(EndReason.CHECKPOINT_UNUSABLE, 40))
    assert (decision.start_session, decision.same_session) == (True, False)
