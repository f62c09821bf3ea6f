"""When the newest checkpoint is abandoned for its parent: after two failures in a row from it, and no sooner."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.checkpoint.inventory import CheckpointInventory
from orchestrator.core.checkpoint.walk_back import MOST_WALKS, files_of_newest, suspicion
from orchestrator.core.ledger.events import Event, EventKind, fold_run
from orchestrator.core.ledger.records import RunRecord, SessionRecord, Stage
from orchestrator.core.session.end_reason import EndReason
from orchestrator.kernel.checkpoint.card import CheckpointCard
from orchestrator.kernel.wire import FileEntry

LINEAGE = "c" * 64


def files(steps: int, copy: str = "a") -> tuple[FileEntry, ...]:
    """Files of the checkpoint of `steps` steps; another `copy` has other digests."""
    stem = f"checkpoints/toy_checkpoint_{steps}_steps"
    return tuple(
        FileEntry(path=stem + suffix, size_bytes=1, sha256=f"{copy}{suffix}{steps}")
        for suffix in (".zip", ".state.npz", ".json")
    )


def in_place(*steps: int, copy: str = "a") -> CheckpointInventory:
    def card(number: int) -> CheckpointCard:
        return CheckpointCard(
            stem=f"toy_checkpoint_{number}_steps",
            scenario="toy",
            steps=number,
            files=(),
            identity={},
            stamp={"lineage_id": LINEAGE},
            saved_at="",
        )

    best = FileEntry(path="best_model/best_model.zip", size_bytes=1, sha256="b")
    entries = [entry for number in steps for entry in files(number, copy)]
    return CheckpointInventory(
        root=Path("/models"),
        verified=tuple(card(number) for number in steps),
        faults={},
        leftovers=(),
        entries=(*entries, best),
    )


def session(number: int, start: int, end: str, *, copy: str = "a", target: int = 100, **traits: Any) -> SessionRecord:
    """A closed session whose inputs are the checkpoints of `start` and `start - 10` steps."""
    given_files = [entry for steps in (start, start - 10) if steps > 0 for entry in files(steps, copy)]
    return SessionRecord(
        key=f"r/s{number:02d}a1",
        run_id="r",
        lineage_id=LINEAGE,
        session=number,
        attempt=1,
        slug=f"s{number:02d}",
        backend="local",
        nonce="n",
        ticket={"inputs": [vars_of(entry) for entry in given_files], "spec": {"target_steps": target}},
        stage=traits.pop("stage", Stage.CLOSED),
        planned_at="2026-01-01T00:00:00+00:00",
        end_reason=end,
        handle="local://local/x",
        models_steps=traits.pop("models_steps", start),
        **traits,
    )


def vars_of(entry: FileEntry) -> dict[str, Any]:
    return {"path": entry.path, "size_bytes": entry.size_bytes, "sha256": entry.sha256}


def run_of(*walks: tuple[int, str], fresh: bool = False) -> RunRecord:
    return RunRecord(
        run_id="r",
        section="s",
        lineage_id=LINEAGE,
        profile="quick",
        backend="local",
        target_steps=100,
        steps_start=0,
        steps_done=0,
        started_at="t",
        fresh=fresh,
        walks=walks,
    )


FAILED, CRASHED = "section_failed", "crashed"
BROUGHT = {"restored": ("x.zip",), "models_steps": 40, "steps_done": 40}
NEUTRAL = ("refused", "carrier_missing", "disk_full", "wall_limit", "cancelled", "stale_results")
SOUND = ("finished", "paused", "stopped")

TABLE: Mapping[str, tuple[Sequence[SessionRecord], bool]] = {
    "nothing happened yet": ([], False),
    "one failure": ([session(2, 40, FAILED)], False),
    "two failures": ([session(2, 40, FAILED), session(3, 40, FAILED)], True),
    "a failure and a crash": ([session(2, 40, CRASHED), session(3, 40, FAILED)], True),
    "two crashes": ([session(2, 40, CRASHED), session(3, 40, CRASHED)], True),
    "two, and the session that made the checkpoint": (
        [session(1, 0, FAILED, **BROUGHT), *[session(2, 40, FAILED)] * 2],
        True,
    ),
    "one, and the session that made the checkpoint": (
        [session(1, 0, FAILED, **BROUGHT), session(2, 40, FAILED)],
        False,
    ),
    "failures from another checkpoint": ([session(2, 30, FAILED), session(3, 30, FAILED)], False),
    "the same steps, other bytes": ([session(2, 40, FAILED, copy="z"), session(3, 40, FAILED)], False),
    "from the beginning": ([session(2, 0, FAILED), session(3, 0, FAILED)], False),
    "one of them saved something": (
        [session(2, 40, FAILED), session(3, 40, FAILED, restored=("y.zip",), models_steps=50)],
        False,
    ),
    "one of them saved something that was not put in place": (
        [session(2, 40, FAILED), session(3, 40, FAILED, steps_done=50)],
        False,
    ),
    "its own report says that it saved nothing": (
        [session(2, 40, FAILED, steps_done=40), session(3, 40, FAILED, steps_done=40)],
        True,
    ),
    "they only evaluated": ([session(2, 40, FAILED, target=40), session(3, 40, CRASHED, target=40)], False),
    "they never trained": ([session(2, 40, FAILED, verdict="invalid"), session(3, 40, FAILED)], False),
    "one was never submitted": ([session(2, 40, FAILED), session(3, 40, "never_submitted")], False),
    "one is still open": ([session(2, 40, FAILED), session(3, 40, FAILED, stage=Stage.JUDGED)], False),
    "one was deleted on the backend": ([session(2, 40, FAILED), session(3, 40, CRASHED, native="gone: 404")], False),
    "a kernel found it unusable": ([session(2, 40, "checkpoint_unusable")], True),
    "a kernel found another one unusable": ([session(2, 30, "checkpoint_unusable")], False),
    **{
        f"{end} between": ([session(2, 40, FAILED), session(3, 40, end), session(4, 40, FAILED)], True)
        for end in NEUTRAL
    },
    **{f"{end} twice": ([session(2, 40, end), session(3, 40, end)], False) for end in NEUTRAL},
    **{
        f"{end} between": ([session(2, 40, FAILED), session(3, 40, end), session(4, 40, FAILED)], False)
        for end in SOUND
    },
}


@pytest.mark.parametrize("case", TABLE)
def test_a_checkpoint_is_suspected_by_the_ends_of_its_sessions(case: str) -> None:
    sessions, due = TABLE[case]
    found = suspicion(sessions, [run_of()], in_place(40, 30))
    assert (found is not None) is due
    if found is not None:
        assert found.failed[-1] is sessions[-1] and found.failed[-1].slug in found.why


def test_every_end_reason_is_in_the_table() -> None:
    known = {FAILED, CRASHED, "checkpoint_unusable", "never_submitted", *NEUTRAL, *SOUND}
    assert known == {reason.value for reason in EndReason}


def test_only_the_checkpoints_own_files_count() -> None:
    assert {path for path, _ in files_of_newest(in_place(40, 30).entries)} == {entry.path for entry in files(40)}
    assert files_of_newest([FileEntry(path="best_model/best_model.zip", size_bytes=1, sha256="b")]) == frozenset()


TWO_AT_30 = [session(4, 30, FAILED), session(5, 30, FAILED)]
BEFORE = [session(2, 40, FAILED), session(3, 40, FAILED)]
LEFT_40 = (40, "r/s03a1")


def test_after_the_most_walks_back_only_a_proof_leads_to_another() -> None:
    assert suspicion([*BEFORE, *TWO_AT_30], [run_of(LEFT_40)], in_place(30)) is not None
    third = [*BEFORE, *TWO_AT_30, session(6, 20, FAILED), session(7, 20, FAILED)]
    walks = (LEFT_40, (30, "r/s05a1"))
    assert len(walks) == MOST_WALKS
    assert suspicion(third, [run_of(*walks)], in_place(20)) is None
    proven = [*third[:-1], session(7, 20, "checkpoint_unusable")]
    assert suspicion(proven, [run_of(*walks)], in_place(20)) is not None, "a proof needs no second one"


@pytest.mark.parametrize("steps", [40, 41])
def test_a_new_or_restored_checkpoint_is_not_abandoned_again(steps: int) -> None:
    again = [*BEFORE, session(4, steps, FAILED, copy="z"), session(5, steps, FAILED, copy="z")]
    assert suspicion(again, [run_of(LEFT_40)], in_place(steps, 30, copy="z")) is None


def test_a_passed_checkpoint_no_longer_counts() -> None:
    passed = session(4, 30, "paused", restored=("x.zip",), models_steps=60, steps_done=60)
    later = [*BEFORE, passed, session(5, 60, FAILED), session(6, 60, CRASHED)]
    assert suspicion(later, [run_of(LEFT_40)], in_place(60, 50)) is not None
    assert suspicion(later, [run_of(LEFT_40), run_of(fresh=True)], in_place(60, 50)) is not None


def test_a_fresh_start_resets_the_walks_back() -> None:
    new = [*BEFORE, session(4, 40, FAILED, copy="n"), session(5, 40, FAILED, copy="n")]
    assert suspicion(new, [run_of(LEFT_40), run_of(fresh=True)], in_place(40, copy="n")) is not None


@given(st.lists(st.sampled_from([FAILED, CRASHED, "checkpoint_unusable"]), min_size=1, max_size=60))
def test_the_number_of_walks_back_is_limited(ends: list[str]) -> None:
    """Each walk back leaves one checkpoint less, until none is left."""
    sessions: list[SessionRecord] = []
    walks: list[tuple[int, str]] = []
    steps = 90
    for number, end in enumerate(ends, start=2):
        sessions.append(session(number, steps, end))
        if suspicion(sessions, [run_of(*walks)], in_place(steps)) is not None:
            walks.append((steps, sessions[-1].key))
            steps -= 10
            if steps <= 0:
                return
    proofs = ends.count("checkpoint_unusable")
    assert len(walks) <= MOST_WALKS + proofs
    assert [left for left, _ in walks] == sorted({left for left, _ in walks}, reverse=True)


def test_a_walk_back_is_in_the_row_of_its_run() -> None:
    body = {"left_steps": 40, "to_steps": 30, "after": "r/s03a1", "why": "w", "archive": "a"}
    event = Event(kind=EventKind.WALKED_BACK, at="t", run_id="r", session=None, body=body)
    assert event.tells_of_run
    after = fold_run(replace(run_of(), steps_done=40), event)
    assert (after.walks, after.steps_done) == (((40, "r/s03a1"),), 30)
    with pytest.raises(ValueError, match="never started"):
        fold_run(None, event)
